import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

// A target that is down is probed once a minute, two changes each: with many of them and no worker for weeks,
// this is what one pass leaves to the next.
const atATime = 5_000

/** Forgets what happened to targets longer ago than `days`, up to 5 000 changes; answers how many. */
export async function forgetOldChanges(db: Db, days: number): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from orderwheel.target_changes
     where id = any(array(
       select id from orderwheel.target_changes
        where at < now() - make_interval(days => ${days})
        order by at
        limit ${atATime}
          for update skip locked))`.execute(db)
  return Number(numAffectedRows)
}
