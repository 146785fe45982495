import type { DeliveryState } from '#database/tables.ts'

import { deliveryFacts, deliveryToldAt } from './delivery-facts.ts'
import { messageFacts, messageToldAt } from './message-facts.ts'
import { orderState, type OrderState } from './order-state.ts'
import type { WatchedOrder } from './read-watched.ts'
import { nothingTold, type ToldProgress } from './told-progress.ts'

/** `at`: ISO 8601, when it happened, whoever is told when; or was seen, where nobody wrote down when. */
export type OrderChange =
  | { event: 'order'; state: OrderState; at: string }
  | {
      event: 'delivery'
      target: string
      message: { id: string; kind: string }
      state: DeliveryState
      /** How often it was tried so far. */
      attempt: number
      /** Why that attempt failed. */
      reason: string | null
      at: string
    }

/** Something that a listener was not told yet. */
export type Fact = {
  /** Milliseconds. */
  at: number
  /** Of what happened at the same time: a message counts as relayed once its deliveries are known. */
  rank: 0 | 1 | 2
  /** Notes it as told. */
  tell: () => void
  /** Absent: it shows in the order's state only. */
  change?: Omit<Extract<OrderChange, { event: 'delivery' }>, 'at'>
}

/**
 * What `told` lacks of what happened to an order, in time order, each followed by the order's state when that is
 * another now. `told` is brought up to each change as it is given: whoever stops in between goes on from there. What
 * becomes known late comes late, with the time at which it happened.
 */
export function* orderChanges(order: WatchedOrder, told: ToldProgress): Generator<OrderChange> {
  let at = toldUntil(order, told)
  yield* stateChange(order, told, { at, isLate: told.state !== undefined })
  for (const fact of factsOf(order, told)) {
    const isLate = fact.at < at
    at = Math.max(at, fact.at)
    fact.tell()
    if (fact.change) yield { ...fact.change, at: new Date(fact.at).toISOString() }
    yield* stateChange(order, told, { at, isLate })
  }
}

/** When the last of what was told happened: whoever was told of it may not have been told what it came to. */
function toldUntil(order: WatchedOrder, told: ToldProgress): number {
  const paidAt = told.payment === undefined ? null : order.payment?.settledAt
  const cancelledAt = cancelledBefore(order)
  const times = [
    cancelledAt === null ? 0 : Date.parse(cancelledAt),
    paidAt ? Date.parse(paidAt) : 0,
    ...order.messages.map((message) => messageToldAt(message, told)),
    ...order.deliveries.map((delivery) => deliveryToldAt(delivery, told)),
  ]
  return Math.max(Date.parse(order.receivedAt), ...times)
}

function factsOf(order: WatchedOrder, told: ToldProgress): Fact[] {
  const facts = [
    ...paymentFacts(order, told),
    ...order.messages.flatMap((message) => messageFacts(message, told)),
    ...order.deliveries.flatMap((delivery) => deliveryFacts(delivery, order, told)),
  ]
  return facts.toSorted((one, other) => one.at - other.at || one.rank - other.rank)
}

/** That it is known what became of a payment that was made here. */
function paymentFacts({ payment, readAt }: WatchedOrder, told: ToldProgress): Fact[] {
  if (!payment || payment.state === (told.payment ?? 'pending')) return []
  const at = Date.parse(payment.settledAt ?? readAt)
  return [{ at, rank: 0, tell: () => void (told.payment = payment.state) }]
}

function* stateChange(
  order: WatchedOrder,
  told: ToldProgress,
  { at, isLate }: { at: number; isLate: boolean },
): Generator<OrderChange> {
  const state = stateAsTold(order, told)
  if (state === told.state) return
  told.state = state
  const since = isLate ? stateSince(order, state, at) : at
  yield { event: 'order', state, at: new Date(since).toISOString() }
}

/** When it got into this state, by `until`, to somebody who is told of everything in time order. */
function stateSince(order: WatchedOrder, wanted: OrderState, until: number): number {
  const told = nothingTold()
  let at = toldUntil(order, told)
  let last = stateAsTold(order, told)
  let since = last === wanted ? at : until
  for (const fact of factsOf(order, told)) {
    at = Math.max(at, fact.at)
    if (at > until) break
    fact.tell()
    const state = stateAsTold(order, told)
    if (state === wanted && state !== last) since = at
    last = state
  }
  return since
}

/** The order's state to somebody who knows no more than this. */
function stateAsTold(order: WatchedOrder, told: ToldProgress): OrderState {
  const messages = order.messages.flatMap(({ key, kind }) => {
    const progress = told.messages.get(key)
    return progress ? [{ kind, progress }] : []
  })
  return orderState({
    unrelayed: messages
      .filter(({ progress }) => progress !== 'relayed')
      .map(({ kind, progress }) => ({ kind, refused: progress === 'refused' })),
    relayed: messages.filter(({ progress }) => progress === 'relayed'),
    deliveries: order.deliveries.flatMap(({ key }) => told.deliveries.get(key) ?? []),
    payment: order.payment && (told.payment ?? 'pending'),
    historyDropped: order.historyDropped && order.messages.length === 0,
    wasCancelled: cancelledBefore(order) !== null,
  })
}

/** When an order was cancelled of which no message says so any more. */
function cancelledBefore({ cancelledAt, messages }: WatchedOrder): string | null {
  return messages.some(({ kind }) => kind === 'order.cancelled') ? null : cancelledAt
}

/** Whether nothing more will happen to an order that is in this state, unless somebody makes it happen. */
export function isOver(order: WatchedOrder, state: OrderState | undefined): boolean {
  return (
    (state === 'completed' || state === 'cancelled' || state === 'payment-declined') &&
    order.messages.every(({ relayedAt }) => relayedAt !== null) &&
    order.deliveries.every(({ settledAt }) => settledAt !== null)
  )
}
