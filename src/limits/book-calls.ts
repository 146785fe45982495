import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { Rate } from '#targets/target.ts'

/** When the booked calls may begin. Each may begin `lateMs` late, and not at all after that. */
export type Booking = { firstInMs: number; spacingMs: number; lateMs: number }

/**
 * Books the next `count` calls of a target that has a rate, for all workers: one statement, however many
 * calls. Undefined when the target has no rate any more.
 *
 * No period of `perSeconds` sees more than `max` calls begin, however it is laid: a call begins within
 * `lateMs` of its time, and the call `max` places later has its time `perSeconds` and twice `lateMs` after
 * it. The second `lateMs` is for the way to the target, which does not take equally long each time. A caller
 * that is far from the database needs a larger tolerance, `leastLateMs`: then what is booked next moves on by
 * as much, since these calls may begin that much later than usual.
 */
export async function bookCalls(
  db: Db,
  { target, count, leastLateMs = 0 }: { target: string; count: number; leastLateMs?: number },
): Promise<Booking | undefined> {
  // Never further ahead than all calls that may be claimed can be, and some seconds' worth that nobody used:
  // after a failover the clock may be behind, and the rate may have been a slower one.
  const next = sql`greatest(at, least(next, at + make_interval(secs => 5 + 2 * per + slots * spacing)))`
  const { rows } = await sql<Booking>`
    with target as (
      select name, case when rate_set then rate_set_max else rate_max end as max,
             case when rate_set then rate_set_per_seconds else rate_per_seconds end as per,
             coalesce(concurrency_set, concurrency) as slots,
             coalesce(next_call_at, '-infinity') as next, clock_timestamp() as at
        from orderwheel.targets where name = ${target}
         for update
    ), rate as (
      select *, (per + 2 * late) / max as spacing
        from (select *, least(greatest(per * 0.025, 0.01), 0.5) as usual from target where max is not null) t,
             lateral (select greatest(usual, ${leastLateMs} / 1000.0::float8) as late) l
    )
    update orderwheel.targets t
       set next_call_at = ${next} + make_interval(secs => ${count} * spacing + (late - usual))
      from rate where t.name = rate.name
    returning extract(epoch from ${next} - at)::float8 * 1000 as "firstInMs",
              spacing * 1000 as "spacingMs", late * 1000 as "lateMs"`.execute(db)
  return rows[0]
}

/** How far apart calls are, and how late one may begin: a fortieth of the period, between 10 ms and half a second. */
export function timing({ max, perSeconds }: Rate): { spacingMs: number; lateMs: number } {
  const lateMs = Math.min(Math.max(perSeconds * 25, 10), 500)
  return { spacingMs: (perSeconds * 1_000 + 2 * lateMs) / max, lateMs }
}
