import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'

import { orderState, type OrderProgress, type OrderState } from './order-state.ts'

/** An order in a list: nothing of it that is personal. */
export type OrderSummary = {
  id: string
  externalId: string
  state: OrderState
  receivedAt: Date
  currency: string | null
  /** In minor units. */
  total: number | null
  deliveries: { target: string; state: DeliveryState }[]
}

/** These orders, the newest first; those that are gone are left out. */
export async function summarizeOrders(db: Db, ids: readonly string[]): Promise<OrderSummary[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<Row>`
    select o.id, coalesce(p.external_id, o.external_id) as "externalId", p.state as payment, o.received_at as "receivedAt",
           o.document ->> 'currency' as currency, (o.document #>> '{totals,total}')::float8 as total,
           coalesce(o.received_at < history.since, false) as "historyDropped", o.cancelled_at is not null as "wasCancelled",
           (select coalesce(json_agg(json_build_object('kind', b.kind, 'refused', b.refusal is not null)), '[]')
              from orderwheel.outbox b where b.order_id = o.id) as unrelayed,
           (select coalesce(json_agg(json_build_object('kind', m.kind)), '[]')
              from orderwheel.messages m where m.order_id = o.id and ${sinceOrders('m.id', ids)}) as relayed,
           (select coalesce(json_agg(json_build_object('target', d.target, 'state', d.state) order by d.position, d.target), '[]')
              from orderwheel.deliveries d where d.order_id = o.id and ${sinceOrders('d.message_id', ids)}) as deliveries
      from orderwheel.orders o
      left join orderwheel.payments p on p.order_id = o.id
     cross join (select orderwheel.history_since() as since) history
     where o.id = any(${ids}::uuid[])
     order by o.id desc`.execute(db)
  return rows.map(({ unrelayed, relayed, historyDropped, wasCancelled, payment, ...order }) => {
    const { deliveries } = order
    const state = orderState({
      unrelayed,
      relayed,
      deliveries,
      historyDropped,
      wasCancelled,
      payment: payment ?? null,
    })
    return { ...order, state }
  })
}

type Row = Omit<OrderSummary, 'state'> &
  Pick<OrderProgress, 'unrelayed' | 'relayed' | 'historyDropped' | 'wasCancelled' | 'payment'>
