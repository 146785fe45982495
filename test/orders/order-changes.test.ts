import { expect, test } from 'vitest'

import { orderChanges } from '#orders/order-changes.ts'
import type { WatchedDelivery, WatchedOrder } from '#orders/read-watched.ts'
import { nothingTold, readProgress, writeProgress } from '#orders/told-progress.ts'

const at = (second: number) => new Date(Date.UTC(2026, 10, 23, 10, 0, second)).toISOString()

function delivery(target: string, changes: Partial<WatchedDelivery> = {}): WatchedDelivery {
  return {
    messageId: 'm1',
    key: target.padEnd(6, '-'),
    kind: 'order.placed',
    target,
    state: 'queued',
    isAfter: false,
    createdAt: at(1),
    startedAt: null,
    settledAt: null,
    attempts: [],
    diedAfter: [],
    ...changes,
  }
}

function attempt(number: number, second: number, outcome: 'delivered' | 'try-again') {
  return { number, startedAt: at(second), durationMs: 0, outcome, reason: null }
}

function order(deliveries: WatchedDelivery[]): WatchedOrder {
  return {
    id: 'o1',
    externalId: 'WEB-1',
    receivedAt: at(0),
    readAt: at(50),
    locale: null,
    isForgotten: false,
    historyDropped: false,
    cancelledAt: null,
    payment: null,
    messages: [
      {
        id: 'm1',
        key: 'm1----',
        kind: 'order.placed',
        createdAt: at(0),
        relayedAt: at(1),
        isRefused: false,
      },
    ],
    deliveries,
  }
}

test('what becomes known late is told late, and nothing is told twice', () => {
  const crm = { state: 'delivered', startedAt: at(9), settledAt: at(9) } as const
  const before = order([
    delivery('erp', { state: 'active', startedAt: at(5) }),
    delivery('crm', { ...crm, attempts: [attempt(1, 9, 'delivered')] }),
  ])
  const told = nothingTold()
  expect([...orderChanges(before, told)].length).toBeGreaterThan(4)
  // Its transaction began before that of the CRM's answer, and committed after it.
  const after = order([
    delivery('erp', {
      state: 'delivered',
      startedAt: at(8),
      settledAt: at(8),
      attempts: [attempt(1, 6, 'try-again'), attempt(2, 8, 'delivered')],
    }),
    delivery('crm', { ...crm, attempts: [attempt(1, 9, 'delivered')] }),
  ])
  const resumed = readProgress(writeProgress(told))
  expect([...orderChanges(after, resumed)]).toMatchObject([
    { target: 'erp', state: 'retrying', attempt: 1 },
    { target: 'erp', state: 'delivered', attempt: 2 },
    { event: 'order', state: 'completed' },
  ])
  expect([...orderChanges(after, resumed)]).toEqual([])
})

test('an order that is looked at again and again tells the same as one looked at once', () => {
  const attempts = [attempt(1, 3, 'try-again'), attempt(2, 6, 'delivered')]
  const steps = [
    order([]),
    order([delivery('erp'), delivery('mail', { state: 'waiting', isAfter: true })]),
    order([
      delivery('erp', { state: 'retrying', attempts: attempts.slice(0, 1) }),
      delivery('mail', { state: 'waiting', isAfter: true }),
    ]),
    order([
      delivery('erp', { state: 'delivered', settledAt: at(6), attempts }),
      delivery('mail', {
        state: 'delivered',
        isAfter: true,
        settledAt: at(7),
        attempts: [attempt(1, 7, 'delivered')],
      }),
    ]),
  ]
  const [first] = steps
  if (first) first.messages = first.messages.map((message) => ({ ...message, relayedAt: null }))
  const told = nothingTold()
  const bitByBit = steps.flatMap((step) => [...orderChanges(step, told)])
  const last = steps.at(-1) ?? order([])
  expect(bitByBit).toEqual([...orderChanges(last, nothingTold())])
  expect(bitByBit.filter(({ event }) => event === 'order').map(({ state }) => state)).toEqual([
    'received',
    'processing',
    'completed',
  ])
})

test('a message that was refused and relayed after all shows as what it was', () => {
  const told = nothingTold()
  const [message] = order([]).messages
  if (!message) throw new Error('no message')
  const waiting = { ...order([]), messages: [{ ...message, relayedAt: null, isRefused: true }] }
  const states = [...orderChanges(waiting, told), ...orderChanges(order([]), told)]
  expect(states.map(({ state }) => state)).toEqual(['received', 'needs-attention', 'completed'])
})

test('an order that is paid here waits for its payment first, and ends there when it is declined', () => {
  const statesOf = (watched: WatchedOrder, told = nothingTold()) =>
    [...orderChanges(watched, told)].flatMap(({ event, state }) => (event === 'order' ? state : []))
  const told = nothingTold()
  const pending = { state: 'pending', settledAt: null } as const
  expect(statesOf({ ...order([]), messages: [], payment: pending }, told)).toEqual([
    'awaiting-payment',
  ])
  const payment = { state: 'captured', settledAt: at(1) } as const
  const paid = { ...order([delivery('erp')]), payment }
  expect(statesOf(paid, readProgress(writeProgress(told)))).toEqual(['received', 'processing'])
  const all = nothingTold()
  statesOf(paid, all)
  expect(statesOf(paid, readProgress(writeProgress(all)))).toEqual([])
  const declined = {
    ...order([]),
    messages: [],
    payment: { ...payment, state: 'declined' as const },
  }
  expect(statesOf(declined)).toEqual(['awaiting-payment', 'payment-declined'])
})

test('what is no progress of ours, or too long for a header, tells from the beginning', () => {
  for (const text of [
    '',
    'x',
    '9.',
    '1.abc',
    '1.abcdefZ1',
    `1.${'abcdefd1.'.repeat(1_000)}`,
    '1.\u0000',
  ])
    expect(readProgress(text)).toEqual(nothingTold())
  const many = nothingTold()
  many.state = 'processing'
  for (let n = 0; n < 1_000; n += 1)
    many.deliveries.set(String(n).padStart(6, '0'), { state: 'delivered', attempts: 1 })
  expect(writeProgress(many)).toBe('')
})
