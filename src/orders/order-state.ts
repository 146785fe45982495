import type { DeliveryState, PaymentState } from '#database/tables.ts'

export const orderStates = [
  'awaiting-payment',
  'payment-declined',
  'received',
  'processing',
  'completed',
  'needs-attention',
  'cancelled',
] as const

export type OrderState = (typeof orderStates)[number]

export type OrderProgress = {
  /** Messages still in the outbox; `refused`: the relay could not relay it. */
  unrelayed: readonly { kind: string; refused: boolean }[]
  relayed: readonly { kind: string }[]
  deliveries: readonly { state: DeliveryState }[]
  /** Of a payment that was made here. */
  payment?: PaymentState | null
  /** What happened to it is not kept any more: retention only drops what is done with. */
  historyDropped: boolean
  /** Written down before what says so was dropped. */
  wasCancelled: boolean
}

/**
 * The order's state, derived from what its messages have come to. What needs a person comes first: an
 * order that was cancelled and has a dead delivery still needs attention.
 */
export function orderState(order: OrderProgress): OrderState {
  const { unrelayed, relayed, deliveries, payment, historyDropped, wasCancelled } = order
  const progress = deliveries.map(({ state }) => progressOf[state])
  if (progress.includes('stuck') || unrelayed.some(({ refused }) => refused)) {
    return 'needs-attention'
  }
  if (wasCancelled || [...unrelayed, ...relayed].some(({ kind }) => kind === 'order.cancelled'))
    return 'cancelled'
  if (payment === 'pending') return 'awaiting-payment'
  if (payment === 'declined') return 'payment-declined'
  if (relayed.length === 0)
    return historyDropped && unrelayed.length === 0 ? 'completed' : 'received'
  return progress.includes('open') || unrelayed.length > 0 ? 'processing' : 'completed'
}

const progressOf: Record<DeliveryState, 'open' | 'done' | 'stuck'> = {
  waiting: 'open',
  queued: 'open',
  active: 'open',
  retrying: 'open',
  dead: 'stuck',
  uncertain: 'stuck',
  delivered: 'done',
  shed: 'done',
  skipped: 'done',
  cancelled: 'done',
}
