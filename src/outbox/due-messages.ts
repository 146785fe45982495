import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

export type DueMessage = { position: string; id: string }

/** The messages a relay would take now, oldest first. */
export async function dueMessages(db: Db, limit: number): Promise<DueMessage[]> {
  const { rows } = await sql<DueMessage>`
    select position, id from orderwheel.outbox
     where try_after is null
     order by position limit ${limit}`.execute(db)
  return rows
}

/** Whether there is a message to relay, new or refused and due again. */
export async function hasDueMessage(db: Db): Promise<boolean> {
  const { rows } = await sql<{ due: boolean }>`
    select exists (select from orderwheel.outbox where try_after is null)
        or exists (select from orderwheel.outbox where try_after <= now()) as due`.execute(db)
  return rows[0]?.due ?? false
}

/** Refused messages whose time has come again, the longest due first. */
export async function refusedMessagesDue(db: Db, limit: number): Promise<DueMessage[]> {
  const { rows } = await sql<DueMessage>`
    select position, id from orderwheel.outbox
     where try_after <= now()
     order by try_after limit ${limit}`.execute(db)
  return rows
}
