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
    select at, case when step = 5 then concat(event, ' by ' || who, ' in replay ' || replay_id) else event end as event,
           target, attempt, detail
      from orderwheel.order_timeline
     where order_id = ${orderId}
     order by at, step, target, attempt`.execute(db)
  return rows
}
