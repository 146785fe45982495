import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { Order } from '#messages/order.ts'

import {
  type HappeningRows,
  type Happenings,
  happenings,
  iso,
  reportHappenings,
} from './happenings.ts'
import { idByNumber } from './id-by-number.ts'
import { orderState, type OrderState } from './order-state.ts'
import { type Charged, paymentStatus, type PaymentReport } from './payment-status.ts'

/** An order, what happened to it, and what each target was told. Times are ISO 8601 in UTC. */
export type OrderReport = Happenings & {
  id: string
  externalId: string
  state: OrderState
  receivedAt: string
  order: Order
  /** The personal data in it was removed. */
  isForgotten: boolean
  /** Null: it was not paid here. */
  payment: PaymentReport | null
}

/** undefined: no such order. `id` must be a UUID. Of a number that several had, the order that has it, or had it last. */
export async function readOrder(
  db: Db,
  which: { id: string } | { externalId: string },
): Promise<OrderReport | undefined> {
  const found = await readRows(db, which)
  if (!found) return undefined
  const unrelayed = found.messages.filter((message) => message.relayedAt === null)
  const relayed = found.messages.filter((message) => message.relayedAt !== null)
  return {
    id: found.id,
    externalId: found.externalId,
    state: orderState({
      unrelayed: unrelayed.map(({ kind, refusal }) => ({ kind, refused: refusal !== null })),
      relayed,
      deliveries: found.deliveries,
      payment: found.payment?.state ?? null,
      historyDropped: found.historyDropped,
      wasCancelled: found.wasCancelled,
    }),
    receivedAt: iso(found.receivedAt),
    order: found.order,
    isForgotten: found.isForgotten,
    payment: found.payment && reportPayment(found.payment, found.deliveries),
    ...(await reportHappenings(db, found)),
  }
}

type Rows = HappeningRows & {
  id: string
  externalId: string
  receivedAt: string
  order: Order
  isForgotten: boolean
  historyDropped: boolean
  wasCancelled: boolean
  payment: PaymentRow | null
}

type PaymentRow = Omit<PaymentReport, 'status'> & Charged

// One statement, one snapshot: read in two, a message relayed in between would be in neither answer.
async function readRows(
  db: Db,
  which: { id: string } | { externalId: string },
): Promise<Rows | undefined> {
  const id = 'id' in which ? sql`${which.id}` : idByNumber(which.externalId)
  const { rows } = await sql<Rows>`
    select o.id, coalesce(p.external_id, o.external_id) as "externalId", to_json(o.received_at) as "receivedAt", o.document as "order",
      coalesce(o.received_at < orderwheel.history_since(), false) as "historyDropped",
      o.cancelled_at is not null as "wasCancelled", o.forgotten_at is not null as "isForgotten",
      case when p.order_id is not null then json_build_object(
                'state', p.state, 'became', p.became, 'provider', p.provider, 'reference', p.reference, 'mode', p.mode,
                'reason', p.reason, 'declineCode', p.code, 'attempts', p.attempts, 'settledAt', p.settled_at) end as payment,
      ${happenings}
      from orderwheel.orders o
      left join orderwheel.payments p on p.order_id = o.id
     where o.id = ${id}`.execute(db)
  return rows[0]
}

function reportPayment(
  { state, became, settledAt, ...payment }: PaymentRow,
  deliveries: HappeningRows['deliveries'],
): PaymentReport {
  return {
    status: paymentStatus({ state, became }, deliveries),
    ...payment,
    settledAt: settledAt && iso(settledAt),
  }
}
