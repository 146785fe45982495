import { sql } from 'kysely'

import type { Channel } from './notify.ts'
import type { Db } from './open-database.ts'
import { isTransient } from './transient-error.ts'

/**
 * One notification, sent when it resolves: for a command, which ends afterwards. To be called after the
 * commit it tells of. Losing it is harmless, since listeners poll as well.
 */
export async function notifyOnce(
  db: Db,
  channel: Channel,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return
  try {
    await sql`select pg_notify(${channel}, ${names.join(',')})`.execute(db)
  } catch (error) {
    // What was committed stays committed: the command did what it was asked.
    if (!isTransient(error)) throw error
  }
}
