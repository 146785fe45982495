import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'
import type { PaymentState } from '#database/tables.ts'

export type KnownPayment = {
  state: PaymentState
  reason: string | null
  code: string | null
  /** The request that placed the order is at it. */
  isFirstUnderWay: boolean
  isCancelled: boolean
}

/** Undefined: the order was not to be paid here. */
export async function readPayment(db: Db, orderId: string): Promise<KnownPayment | undefined> {
  const { rows } = await sql<KnownPayment>`
    select p.state, p.reason, p.code, coalesce(p.attempts = 1 and p.claimed_until > now(), false) as "isFirstUnderWay",
           o.cancelled_at is not null
             or exists (select from orderwheel.outbox b where b.order_id = o.id and b.kind = 'order.cancelled')
             or exists (select from orderwheel.messages m
                         where m.order_id = o.id and m.kind = 'order.cancelled'
                           and ${sinceOrders('m.id', [orderId])}) as "isCancelled"
      from orderwheel.payments p join orderwheel.orders o on o.id = p.order_id
     where p.order_id = ${orderId}`.execute(db)
  return rows[0]
}
