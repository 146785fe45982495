import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/**
 * Ends the leases of workers that have been silent for `silentSeconds`, and answers whose and of what. The
 * workers themselves begin no call with a lease that old. Not to be called right after an outage of the
 * database, when everybody looks silent.
 */
export async function reapLeases(
  db: Db,
  silentSeconds: number,
): Promise<{ target: string; worker: string }[]> {
  const { rows } = await sql<{ target: string; worker: string }>`
    delete from orderwheel.slot_leases
     where ${isSilent(silentSeconds)}
    returning target, worker`.execute(db)
  return rows
}

/**
 * SQL that says of a lease that its worker has been silent. A sign of life from the future is none: the server's
 * clock was set back. That one is compared with the time now, since who waited for the row may be late.
 */
export function isSilent(silentSeconds: number) {
  return sql<boolean>`(renewed_at < now() - make_interval(secs => ${silentSeconds})
    or renewed_at > clock_timestamp() + make_interval(secs => ${silentSeconds}))`
}
