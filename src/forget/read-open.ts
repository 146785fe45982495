import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'

/** An order that is left alone, and what it still has to do: `erp is retrying`. */
export type RefusedOrder = {
  orderId: string
  externalId: string
  /** What has yet to be told; those can be given up. */
  open: string[]
  /** What keeps it whoever asks: a message that is not relayed, a payment that is not known, a dead letter that is held. */
  kept: string[]
}

/** What stands in the way of forgetting an order; undefined: it is not there. */
export async function readOpen(db: Db, orderId: string): Promise<RefusedOrder | undefined> {
  const { rows } = await sql<RefusedOrder>`
    select o.id as "orderId", coalesce(y.external_id, o.external_id) as "externalId",
           array(select format('%s is %s', d.target, d.state) from orderwheel.deliveries d
                  where d.order_id = o.id and ${sinceOrders('d.message_id', [orderId])}
                    and (d.settled_at is null or d.state in ('dead', 'uncertain'))
                    and not (d.state = 'dead' and exists ( -- it is among what keeps the order
                          select from orderwheel.dead_letters l
                           where l.message_id = d.message_id and l.target = d.target and l.order_id = o.id
                             and l.held_at is not null and l.resolved_at is null))
                  order by d.position, d.target) as open,
           array(select 'it is not known whether it was charged' from orderwheel.payments p
                  where p.order_id = o.id and p.state = 'pending')
           || array(select format('%s is not relayed yet', b.kind) from orderwheel.outbox b
                  where b.order_id = o.id order by b.position)
           || array(select format('its dead letter of %s is held by %s: %s (orderwheel dead-letters release %s --reason …)',
                                l.target, l.held_by, l.hold_reason, l.id)
                      from orderwheel.dead_letters l
                     where l.order_id = o.id and l.held_at is not null order by l.died_at) as kept
      from orderwheel.orders o
      left join orderwheel.payments y on y.order_id = o.id
     where o.id = ${orderId}`.execute(db)
  return rows[0]
}

/** Whether an order has to be left alone. */
export function isRefused({ open, kept }: RefusedOrder, evenOpen: boolean): boolean {
  return kept.length > 0 || (open.length > 0 && !evenOpen)
}
