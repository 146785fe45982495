import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

const atATime = 5_000

/** Deletes up to 5 000 replays that ended, or audit records that were written, more than `days` ago; answers how many. */
export async function forgetOldRows(
  db: Db,
  { table, days }: { table: 'replays' | 'audit_log'; days: number },
): Promise<number> {
  const { numAffectedRows = 0n } = await (
    table === 'replays'
      ? sql`
        delete from orderwheel.replays
         where id = any(array(
           select id from orderwheel.replays
            where finished_at < now() - make_interval(days => ${days})
            limit ${atATime}
              for update skip locked))`
      : sql`
        delete from orderwheel.audit_log
         where id = any(array(
           select id from orderwheel.audit_log
            where at < now() - make_interval(days => ${days})
            order by at
            limit ${atATime}
              for update skip locked))`
  ).execute(db)
  return Number(numAffectedRows)
}
