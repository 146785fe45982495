import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

export type TimelineEntry = {
  at: Date
  /** `order received`, a message's kind, an attempt's outcome, `dead letter`, `skipped by eva`, `dead letter replayed by ada in replay 0199…`. */
  event: string
  target: string | null
  attempt: number | null
  /** The reason, when there is one. */
  detail: string | null
}

/** One order's whole story in time order: what happened, and what people decided. */
export async function readTimeline(db: Db, orderId: string): Promise<TimelineEntry[]> {
  const { rows } = await sql<TimelineEntry>`
    select t.at, t.event || coalesce(l.who, '') as event, t.target, t.attempt, t.detail
      from orderwheel.order_timeline t
      left join lateral (
        select ' by ' || l.resolved_by || coalesce(' in replay ' || l.replay_id, '') as who
          from orderwheel.dead_letters l
         where t.step = 5 and l.order_id = ${orderId} and l.target = t.target and l.resolved_at = t.at
         limit 1) l on true
     where t.order_id = ${orderId}
     order by t.at, t.step, t.target, t.attempt`.execute(db)
  return rows
}
