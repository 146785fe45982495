import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** The ids of the messages a relay would look at now, oldest first. */
export async function dueMessages(db: Db, limit: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from orderwheel.outbox
     where try_after is null or try_after <= now()
     order by id limit ${limit}`.execute(db)
  return rows.map((row) => row.id)
}
