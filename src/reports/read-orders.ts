import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db, Tx } from '#database/open-database.ts'
import type { PaymentState } from '#database/tables.ts'
import { type OrderProgress, type OrderState, orderState } from '#orders/order-state.ts'
import { type Charged, paymentStatus } from '#orders/payment-status.ts'

import { type Period, receivedWithin } from './received-within.ts'

/** What a report says of an order: nothing personal. Amounts are minor units. */
export type ReportedOrder = {
  id: string
  externalId: string
  receivedAt: Date
  /** As the storefront wrote it. */
  placedAt: string
  state: OrderState
  cancelledAt: Date | null
  currency: string
  totals: Record<'subtotal' | 'discount' | 'shipping' | 'tax' | 'total', bigint>
  pricesIncludeTax: boolean
  /** Lines of the order, and what they add up to. */
  lines: number
  quantity: bigint
  billingCountry: string
  shippingCountry: string | null
  payment: { status: string; provider: string | null; reference: string | null }
}

/** Below every order's id. */
export const beforeAllOrders = '00000000-0000-0000-0000-000000000000'

/**
 * The next orders of a period behind the id `after`, as they are now, in the order in which they were received. A
 * transaction of a moment: between two of them nothing is held, so that vacuum need not wait for a report.
 */
export function readOrders(
  db: Db,
  period: Period,
  place: { after: string; limit: number },
): Promise<ReportedOrder[]> {
  return db.transaction().execute(async (tx) => {
    // Over years of partitions the estimate grows beyond what PostgreSQL compiles a plan for, a second for each page.
    await sql`set local jit = off`.execute(tx)
    return readPage(tx, period, place)
  })
}

async function readPage(
  tx: Tx,
  period: Period,
  { after, limit }: { after: string; limit: number },
): Promise<ReportedOrder[]> {
  const earliest = after === beforeAllOrders ? idAt(period.from) : after
  // The document is opened once for an order, not once for each field. What belongs to an order is looked up for each: a join
  // or `exists` that PostgreSQL may hash would read a whole table for every page.
  const { rows } = await sql<Row>`
    with page as materialized (
      select o.id, o.external_id, o.received_at, o.cancelled_at, o.document
        from orderwheel.orders o
       where ${receivedWithin(period)} and o.id > ${after}::uuid
       order by o.id limit ${limit}
    )
    select o.id, coalesce(p.external_id, o.external_id) as "externalId", o.received_at as "receivedAt",
           d."placedAt", d.currency, d.totals, d."pricesIncludeTax",
           jsonb_array_length(d.items) as lines,
           (select sum((i -> 'quantity')::bigint)::text from jsonb_array_elements(d.items) i) as quantity,
           d."billingAddress" ->> 'country' as "billingCountry", d."shippingAddress" ->> 'country' as "shippingCountry",
           d.payment ->> 'status' as status, coalesce(p.provider, d.payment ->> 'provider') as provider,
           case when p.order_id is null then d.payment ->> 'reference' else p.reference end as reference,
           p.state as charged, p.became,
           coalesce(o.received_at < history.since, false) as "historyDropped",
           least(o.cancelled_at, relayed.cancelled_at, (select min(b.created_at) from orderwheel.outbox b
                                         where b.order_id = o.id and b.kind = 'order.cancelled')) as "cancelledAt",
           relayed.messages > 0 as "isRelayed",
           array(select b.refusal is not null from orderwheel.outbox b where b.order_id = o.id) as refusals,
           array(select distinct d.state from orderwheel.deliveries d
                  where d.order_id = o.id and ${sinceOrders('d.message_id', [earliest])}) as states,
           case when p.order_id is null then '[]' else (
             select coalesce(json_agg(json_build_object('target', d.target, 'kind', m.kind, 'state', d.state)), '[]')
               from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
              where d.order_id = o.id and ${sinceOrders('d.message_id', [earliest])} and ${sinceOrders('m.id', [earliest])}) end as told
      from page o
     cross join lateral jsonb_to_record(o.document) as d(
       "placedAt" text, currency text, totals jsonb, "pricesIncludeTax" boolean, items jsonb, payment jsonb,
       "billingAddress" jsonb, "shippingAddress" jsonb)
     cross join lateral (
       select count(*) as messages, min(m.created_at) filter (where m.kind = 'order.cancelled') as cancelled_at
         from orderwheel.messages m where m.order_id = o.id and ${sinceOrders('m.id', [earliest])}) relayed
      left join lateral (select * from orderwheel.payments p where p.order_id = o.id offset 0) p on true
     cross join (select orderwheel.history_since() as since) history
     order by o.id`.execute(tx)
  return rows.map(asReported)
}

type Row = Pick<
  ReportedOrder,
  | 'id'
  | 'externalId'
  | 'receivedAt'
  | 'placedAt'
  | 'cancelledAt'
  | 'currency'
  | 'pricesIncludeTax'
  | 'lines'
  | 'billingCountry'
  | 'shippingCountry'
> & {
  totals: Record<keyof ReportedOrder['totals'], number>
  quantity: string | null
  status: string
  provider: string | null
  reference: string | null
  charged: PaymentState | null
  became: Charged['became']
  historyDropped: boolean
  isRelayed: boolean
  refusals: boolean[]
  states: OrderProgress['deliveries'][number]['state'][]
  told: Parameters<typeof paymentStatus>[1]
}

function asReported(row: Row): ReportedOrder {
  const { totals, quantity, status, provider, reference, charged, became, told, ...rest } = row
  const { historyDropped: _, isRelayed: __, refusals: ___, states: ____, ...order } = rest
  return {
    ...order,
    state: stateOf(row),
    quantity: BigInt(quantity ?? 0),
    totals: {
      subtotal: BigInt(totals.subtotal),
      discount: BigInt(totals.discount),
      shipping: BigInt(totals.shipping),
      tax: BigInt(totals.tax),
      total: BigInt(totals.total),
    },
    payment: {
      status: charged === null ? status : paymentStatus({ state: charged, became }, told),
      provider,
      reference,
    },
  }
}

function stateOf({ cancelledAt, isRelayed, refusals, states, charged, historyDropped }: Row) {
  return orderState({
    unrelayed: refusals.map((refused) => ({ kind: 'order.placed', refused })),
    relayed: isRelayed ? [{ kind: 'order.placed' }] : [],
    deliveries: states.map((state) => ({ state })),
    payment: charged,
    historyDropped,
    wasCancelled: cancelledAt !== null,
  })
}

/** An id that an order of this time may have, for its time. */
function idAt(time: Date): string {
  const digits = Math.max(0, time.getTime() - 600_000)
    .toString(16)
    .padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}-0000-0000-000000000000`
}
