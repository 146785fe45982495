import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { AttemptOutcome, DeliveryState, PaymentState } from '#database/tables.ts'
import type { Order } from '#messages/order.ts'
import { nextAttempts } from '#queues/next-attempts.ts'

import { orderState, type OrderState } from './order-state.ts'
import { paymentStatus, type PaymentReport } from './payment-status.ts'

/** An order, what happened to it, and what each target was told. Times are ISO 8601 in UTC. */
export type OrderReport = {
  id: string
  externalId: string
  state: OrderState
  receivedAt: string
  order: Order
  /** Null: it was not paid here. */
  payment: PaymentReport | null
  messages: MessageReport[]
  deliveries: DeliveryReport[]
}

export type MessageReport = {
  id: string
  kind: string
  createdAt: string
  /** null: still in the outbox. */
  relayedAt: string | null
  /** Why the relay could not relay it. */
  refusal: string | null
}

export type DeliveryReport = {
  target: string
  message: { id: string; kind: string }
  state: DeliveryState
  attemptCount: number
  /** Those that ended; the one under way is only counted. */
  attempts: AttemptReport[]
  nextAttemptAt: string | null
  /** Why the last attempt failed; null once delivered. */
  lastError: string | null
  deliveredAt: string | null
  /** For state `dead`: the letter that waits for a decision. */
  deadLetterId: string | null
  /** For state `waiting`: the deliveries that have to be done first. */
  waitsFor: { target: string; messageId: string }[]
}

export type AttemptReport = {
  number: number
  startedAt: string
  durationMs: number | null
  outcome: AttemptOutcome
  reason: string | null
  answer: unknown
}

/** undefined: no such order. `id` must be a UUID. */
export async function readOrder(
  db: Db,
  which: { id: string } | { externalId: string },
): Promise<OrderReport | undefined> {
  const found = (await readRows(db, which)) ?? (await readDeclined(db, which))
  if (!found) return undefined
  const jobs = await nextAttempts(db, found.deliveries.filter(hasJob))
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
    }),
    receivedAt: iso(found.receivedAt),
    order: found.order,
    payment: found.payment && reportPayment(found.payment, found.deliveries),
    messages: found.messages.map((message) => ({
      ...message,
      createdAt: iso(message.createdAt),
      relayedAt: message.relayedAt && iso(message.relayedAt),
    })),
    deliveries: found.deliveries.map((delivery) =>
      reportDelivery(
        delivery,
        found.deliveries,
        jobs.get(`${delivery.target}:${delivery.messageId}`),
      ),
    ),
  }
}

type Rows = {
  id: string
  externalId: string
  receivedAt: string
  order: Order
  historyDropped: boolean
  payment: PaymentRow | null
  messages: MessageReport[]
  deliveries: DeliveryRow[]
}

type PaymentRow = Omit<PaymentReport, 'status'> & { state: PaymentState }

type DeliveryRow = {
  target: string
  position: number
  messageId: string
  kind: string
  state: DeliveryState
  after: string[]
  attemptCount: number
  settledAt: string | null
  deadLetterId: string | null
  attempts: AttemptReport[]
}

// One statement, one snapshot: read in two, a message relayed in between would be in neither answer.
async function readRows(
  db: Db,
  which: { id: string } | { externalId: string },
): Promise<Rows | undefined> {
  const isIt = 'id' in which ? sql`o.id = ${which.id}` : sql`o.external_id = ${which.externalId}`
  const { rows } = await sql<Rows>`
    select o.id, coalesce(p.external_id, o.external_id) as "externalId", to_json(o.received_at) as "receivedAt", o.document as "order",
      coalesce(o.received_at < orderwheel.history_since(), false) as "historyDropped",
      case when p.order_id is not null then json_build_object(
                'state', p.state, 'provider', p.provider, 'reference', p.reference, 'mode', p.mode,
                'reason', p.reason, 'declineCode', p.code, 'attempts', p.attempts, 'settledAt', p.settled_at) end as payment,
      (select coalesce(json_agg(json_build_object(
                'id', m.id, 'kind', m.kind, 'createdAt', m.created_at,
                'relayedAt', m.relayed_at, 'refusal', m.refusal) order by m.position), '[]')
         from (select position, id, kind, created_at, relayed_at, null as refusal
                 from orderwheel.messages where order_id = o.id
               union all
               select position, id, kind, created_at, null, refusal
                 from orderwheel.outbox where order_id = o.id) m) as messages,
      (select coalesce(json_agg(json_build_object(
                'target', d.target, 'position', d.position, 'messageId', d.message_id, 'kind', m.kind, 'state', d.state,
                'after', d.after, 'attemptCount', d.attempts + (d.state = 'active')::int, 'settledAt', d.settled_at,
                'deadLetterId', case when d.state = 'dead' then (
                  select l.id from orderwheel.dead_letters l
                   where l.message_id = d.message_id and l.target = d.target and l.resolved_at is null
                   limit 1) end,
                'attempts', (
                  select coalesce(json_agg(json_build_object(
                           'number', a.number, 'startedAt', a.started_at, 'durationMs', a.duration_ms,
                           'outcome', a.outcome, 'reason', a.reason, 'answer', a.answer) order by a.number), '[]')
                    from orderwheel.delivery_attempts a
                   where a.message_id = d.message_id and a.target = d.target)
              ) order by d.position, d.target), '[]')
         from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
        where d.order_id = o.id) as deliveries
      from orderwheel.orders o
      left join orderwheel.payments p on p.order_id = o.id
     where ${isIt}`.execute(db)
  return rows[0]
}

/** The last one of a number that its order gave up when it was declined. */
async function readDeclined(
  db: Db,
  which: { id: string } | { externalId: string },
): Promise<Rows | undefined> {
  if ('id' in which) return undefined
  const { rows } = await sql<{ id: string }>`
    select order_id as id from orderwheel.payments
     where external_id = ${which.externalId} and state = 'declined'
     order by order_id desc limit 1`.execute(db)
  return rows[0] && readRows(db, rows[0])
}

function reportPayment(
  { state, settledAt, ...payment }: PaymentRow,
  deliveries: readonly DeliveryRow[],
): PaymentReport {
  return {
    status: paymentStatus(state, deliveries),
    ...payment,
    settledAt: settledAt && iso(settledAt),
  }
}

function hasJob({ state }: DeliveryRow): boolean {
  return state === 'queued' || state === 'retrying'
}

function reportDelivery(
  delivery: DeliveryRow,
  all: readonly DeliveryRow[],
  nextAttemptAt: Date | undefined,
): DeliveryReport {
  const { target, messageId, kind, state, attemptCount, settledAt, deadLetterId, attempts } =
    delivery
  return {
    target,
    message: { id: messageId, kind },
    state,
    attemptCount,
    attempts: attempts.map((attempt) => ({ ...attempt, startedAt: iso(attempt.startedAt) })),
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
    lastError: state === 'delivered' ? null : (attempts.at(-1)?.reason ?? null),
    deliveredAt: state === 'delivered' && settledAt ? iso(settledAt) : null,
    deadLetterId,
    waitsFor: state === 'waiting' ? inTheWay(delivery, all) : [],
  }
}

// What a delivery waits for: its `after` targets for the same message, and the same target's earlier messages.
function inTheWay(delivery: DeliveryRow, all: readonly DeliveryRow[]): DeliveryReport['waitsFor'] {
  return all
    .filter(({ state }) => !['delivered', 'skipped', 'shed', 'cancelled'].includes(state))
    .filter(({ target, messageId, position }) =>
      messageId === delivery.messageId
        ? delivery.after.includes(target)
        : target === delivery.target && position < delivery.position,
    )
    .map(({ target, messageId }) => ({ target, messageId }))
}

// PostgreSQL writes its own session's offset and microseconds.
function iso(time: string): string {
  return new Date(time).toISOString()
}
