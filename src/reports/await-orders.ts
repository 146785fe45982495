import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { type Outcome, tryAgain } from '#targets/outcome.ts'

/** Seconds after its end in which orders of a period may still be committed. */
export const graceSeconds = 60

/**
 * Why a report is not made yet: an order counts as received when its transaction begins, and is there when that commits. Undefined:
 * all orders of its period are there, or there is no such report to make.
 */
export async function awaitOrders(
  db: Db,
  id: string,
  { grace = graceSeconds }: { grace?: number } = {},
): Promise<Outcome | undefined> {
  // Without the right to see other roles' activity, the grace is all there is.
  const { rows } = await sql<{ seconds: number; isWriting: boolean }>`
    select ceil(extract(epoch from r.period_to - now()))::int + ${grace}::int as seconds,
           exists (
             select from pg_locks l join pg_stat_activity a on a.pid = l.pid
              where l.locktype = 'relation' and l.relation = 'orderwheel.orders'::regclass
                and l.database = (select oid from pg_database where datname = current_database())
                and l.mode = 'RowExclusiveLock' and a.xact_start < r.period_to) as "isWriting"
      from orderwheel.reports r
     where r.id = ${id}::uuid and r.made_at is null and r.deleted_at is null`.execute(db)
  const { seconds = 0, isWriting = false } = rows[0] ?? {}
  if (seconds > 0)
    return tryAgain(`its period ended less than ${grace} s ago: orders of it may still come`, {
      notBeforeSeconds: seconds,
    })
  return isWriting
    ? tryAgain('a transaction that began in its period still writes orders')
    : undefined
}
