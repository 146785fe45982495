import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { AlertSubject } from './alert-kinds.ts'

/** Ends an alert, if it is open. Those who were told are told that it is over. */
export async function resolveAlert(db: Db, { kind, subject = '' }: AlertSubject): Promise<void> {
  await sql`
    update orderwheel.alerts set resolved_at = now(), try_after = now(), tries = 0, failure = null
     where kind = ${kind} and subject = ${subject} and resolved_at is null`.execute(db)
}
