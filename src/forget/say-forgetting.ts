import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

/**
 * What this transaction takes from rows of `audit_log` is forgetting: they get other salts, and what is left of them is
 * entered in the audit chain when it commits. Without it, such a row is one that somebody changed.
 */
export async function sayForgetting(tx: Tx): Promise<void> {
  await sql`select set_config('orderwheel.forgetting', 'on', true)`.execute(tx)
}
