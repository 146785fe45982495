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
     where renewed_at < now() - make_interval(secs => ${silentSeconds})
    returning target, worker`.execute(db)
  return rows
}
