import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

export type TimelineEntry = {
  at: Date
  /** `order received`, a message's kind, an attempt's outcome, `dead letter`, `skipped by eva`. */
  event: string
  target: string | null
  attempt: number | null
  /** The reason, when there is one. */
  detail: string | null
}

/** One order's whole story in time order: what the view shows that a DBA reads too, and what people decided. */
export async function readTimeline(db: Db, orderId: string): Promise<TimelineEntry[]> {
  const { rows } = await sql<TimelineEntry>`
    select at, event, target, attempt, detail
      from (select at, step, event, target, attempt, detail
              from orderwheel.order_timeline
             where order_id = ${orderId}
             union all
            select a.at, 6, ${decision} || ' by ' || a.who, a.details->>'target', null, a.reason
              from orderwheel.audit_log a
              join orderwheel.orders o on o.id = ${orderId}
             where a.subject = o.id::text and a.action like 'delivery.%'
               and a.at >= o.received_at) as story
     order by at, step, target, attempt`.execute(db)
  return rows
}

// delivery.marked-delivered, delivery.tried-again, delivery.skipped.
const decision = sql`replace(split_part(a.action, '.', 2), '-', ' ')`
