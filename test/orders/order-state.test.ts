import { expect, test } from 'vitest'

import type { DeliveryState } from '#database/tables.ts'
import { orderState, type OrderProgress } from '#orders/order-state.ts'

const placed = { kind: 'order.placed' }
const cancelled = { kind: 'order.cancelled' }

function relayed(...states: DeliveryState[]): OrderProgress {
  const deliveries = states.map((state) => ({ state }))
  return {
    unrelayed: [],
    relayed: [placed],
    deliveries,
    historyDropped: false,
    wasCancelled: false,
  }
}

test.each<[string, OrderProgress, string]>([
  [
    'nothing relayed yet',
    {
      unrelayed: [{ ...placed, refused: false }],
      relayed: [],
      deliveries: [],
      historyDropped: false,
      wasCancelled: false,
    },
    'received',
  ],
  [
    'its message cannot be relayed',
    {
      unrelayed: [{ ...placed, refused: true }],
      relayed: [],
      deliveries: [],
      historyDropped: false,
      wasCancelled: false,
    },
    'needs-attention',
  ],
  ['one target not told yet', relayed('delivered', 'queued'), 'processing'],
  ['a target that is retried', relayed('delivered', 'retrying'), 'processing'],
  ['a target that waits for another', relayed('active', 'waiting'), 'processing'],
  ['every target told', relayed('delivered', 'delivered'), 'completed'],
  ['targets shed or skipped', relayed('delivered', 'shed', 'skipped'), 'completed'],
  ['no target to tell', relayed(), 'completed'],
  [
    'a history that is not kept any more',
    { unrelayed: [], relayed: [], deliveries: [], historyDropped: true, wasCancelled: false },
    'completed',
  ],
  ['a dead delivery', relayed('delivered', 'dead', 'queued'), 'needs-attention'],
  ['an uncertain delivery', relayed('uncertain'), 'needs-attention'],
  ['a cancellation', { ...relayed('delivered'), relayed: [placed, cancelled] }, 'cancelled'],
  [
    'a cancellation not relayed yet',
    { ...relayed('queued'), unrelayed: [{ ...cancelled, refused: false }] },
    'cancelled',
  ],
  [
    'a cancellation with a dead delivery',
    { ...relayed('dead'), relayed: [placed, cancelled] },
    'needs-attention',
  ],
  [
    'a later message in the outbox',
    { ...relayed('delivered'), unrelayed: [{ kind: 'order.changed', refused: false }] },
    'processing',
  ],
])('an order with %s', (_what, progress, state) => {
  expect(orderState(progress)).toBe(state)
})

test('an order that is not paid yet, or was declined, says so', () => {
  const silent = {
    unrelayed: [],
    relayed: [],
    deliveries: [],
    historyDropped: false,
    wasCancelled: false,
  }
  expect(orderState({ ...silent, payment: 'pending' })).toBe('awaiting-payment')
  expect(orderState({ ...silent, payment: 'declined' })).toBe('payment-declined')
  expect(orderState({ ...silent, payment: 'captured' })).toBe('received')
  expect(
    orderState({ ...silent, relayed: [{ kind: 'order.cancelled' }], payment: 'captured' }),
  ).toBe('cancelled')
})
