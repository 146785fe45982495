import { expect, test } from 'vitest'

import { orderChanges } from '#orders/order-changes.ts'
import type { WatchedAttempt, WatchedDelivery, WatchedOrder } from '#orders/read-watched.ts'
import {
  nothingTold,
  progressWriter,
  readProgress,
  type ToldProgress,
} from '#orders/told-progress.ts'

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

function attempt(number: number, second: number, outcome: WatchedAttempt['outcome']) {
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

/** A listener that was told so much of an order as it was, and comes back, somewhere else, to how it is now. */
function resume(before: WatchedOrder, told: ToldProgress, now: WatchedOrder): ToldProgress {
  return readProgress(progressWriter(before)(told), now)
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
  const resumed = resume(before, told, after)
  expect([...orderChanges(after, resumed)]).toMatchObject([
    { target: 'erp', state: 'retrying', attempt: 1 },
    { target: 'erp', state: 'delivered', attempt: 2 },
    { event: 'order', state: 'completed' },
  ])
  expect([...orderChanges(after, resumed)]).toEqual([])
})

test('what is told late has the time at which it happened, for whoever hears of it when', () => {
  const mail = delivery('mail', {
    state: 'delivered',
    settledAt: at(9),
    attempts: [attempt(1, 9, 'delivered')],
  })
  const told = nothingTold()
  expect([...orderChanges(order([delivery('erp'), mail]), told)].at(-1)).toMatchObject({
    at: at(9),
  })
  const look = (erp: Partial<WatchedDelivery>) => {
    const now = order([delivery('erp', erp), mail])
    return { live: [...orderChanges(now, told)], later: [...orderChanges(now, nothingTold())] }
  }
  const calling = look({ state: 'active', startedAt: at(3) })
  expect(calling.live).toMatchObject([{ target: 'erp', state: 'active', at: at(3) }])
  expect(calling.later).toContainEqual(calling.live[0])
  const failed = look({ state: 'dead', settledAt: at(8), attempts: [attempt(1, 8, 'give-up')] })
  expect(failed.live).toMatchObject([
    { target: 'erp', state: 'dead', at: at(8) },
    { event: 'order', state: 'needs-attention', at: at(8) },
  ])
  for (const change of failed.live) expect(failed.later).toContainEqual(change)
})

test('a state that began with what was told before has that time, also to who comes back in between', () => {
  const told = nothingTold()
  const done = { state: 'delivered' as const, settledAt: at(9) }
  const mail = delivery('mail', { ...done, attempts: [attempt(1, 9, 'delivered')] })
  expect([...orderChanges(order([delivery('erp'), mail]), told)]).not.toEqual([])
  const erp = delivery('erp', { ...done, attempts: [attempt(1, 8, 'delivered')] })
  const now = order([erp, mail])
  for (const change of orderChanges(now, told)) {
    expect(change).toMatchObject({ target: 'erp', at: at(8) })
    break
  }
  expect([...orderChanges(now, resume(now, told, now))]).toEqual([
    { event: 'order', state: 'completed', at: at(9) },
  ])
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
  const unpaid = { ...order([]), messages: [], payment: pending }
  expect(statesOf(unpaid, told)).toEqual(['awaiting-payment'])
  const payment = { state: 'captured', settledAt: at(1) } as const
  const paid = { ...order([delivery('erp')]), payment }
  expect(statesOf(paid, resume(unpaid, told, paid))).toEqual(['received', 'processing'])
  const all = nothingTold()
  statesOf(paid, all)
  expect(statesOf(paid, resume(paid, all, paid))).toEqual([])
  const declined = {
    ...order([]),
    messages: [],
    payment: { ...payment, state: 'declined' as const },
  }
  expect(statesOf(declined)).toEqual(['awaiting-payment', 'payment-declined'])
})

/** So many deliveries, as it goes: most at the first attempt, some at a later one, one not at all. */
function busyOrder(count: number): WatchedOrder {
  const deliveries = Array.from({ length: count }, (_, n) => {
    const tries = n % 5 === 3 ? 3 : 1
    const attempts = Array.from({ length: tries }, (_tried, k) =>
      attempt(k + 1, 2 + k, k + 1 === tries ? 'delivered' : 'try-again'),
    )
    const done = { state: 'delivered', settledAt: at(9), attempts } as const
    return delivery(`t${n}`, n === 7 ? { state: 'cancelled', settledAt: at(4) } : done)
  })
  return order(deliveries)
}

test('an event has a short id, by which any process goes on exactly behind it, however many deliveries there are', () => {
  for (const [count, longest] of [
    [15, 40],
    [400, 600],
  ] as const) {
    const busy = busyOrder(count)
    const write = progressWriter(busy)
    const told = nothingTold()
    const events = [...orderChanges(busy, told)].map((change) => ({ change, id: '' }))
    const again = nothingTold()
    let number = 0
    for (const change of orderChanges(busy, again)) {
      events[number] = { change, id: write(again) }
      number += 1
    }
    expect(Math.max(...events.map(({ id }) => id.length))).toBeLessThan(longest)
    for (const [index, { id }] of events.entries()) {
      if (count > 15 && index % 50 > 0) continue
      const rest = [...orderChanges(busy, readProgress(id, busy))]
      expect(rest).toEqual(events.slice(index + 1).map(({ change }) => change))
    }
  }
})

test('what came behind is told, and what came in between has all of it told again', () => {
  const before = order([delivery('erp'), delivery('mail')])
  const told = nothingTold()
  expect([...orderChanges(before, told)]).toHaveLength(4)
  const behind = order([...before.deliveries, delivery('crm')])
  expect([...orderChanges(behind, resume(before, told, behind))]).toMatchObject([{ target: 'crm' }])
  const between = order([delivery('crm'), ...before.deliveries])
  expect(resume(before, told, between)).toEqual(nothingTold())
  // Its history was dropped.
  expect(resume(before, told, { ...before, deliveries: [] })).toEqual(nothingTold())
})

test('what is no progress of ours, or too long for a header, tells from the beginning', () => {
  const busy = busyOrder(15)
  const told = nothingTold()
  expect([...orderChanges(busy, told)].length).toBeGreaterThan(15)
  const good = progressWriter(busy)(told)
  expect(readProgress(good, busy)).toEqual({ ...told, payment: undefined })
  for (const text of [
    '',
    'x',
    '9.',
    '1.abc',
    '9...abcdef',
    '1.M.d.abcdef',
    '1.\u0000',
    `${good} `,
    good.slice(1),
    good.replace('.M.', '.MM.'),
    good.replace('.d', '.dd'),
    `1.M.${'d'.repeat(100_000)}.abcdef`,
    `1.M.${'d1'.repeat(450)}.abcdef`,
    `1.M.d${'9'.repeat(900)}.abcdef`,
  ])
    expect(readProgress(text, busy)).toEqual(nothingTold())
  const many = busyOrder(1_500)
  const all = nothingTold()
  expect([...orderChanges(many, all)].length).toBeGreaterThan(1_500)
  expect(progressWriter(many)(all)).toBe('')
})

test('of an order that had so much happen that nothing can be resumed, nothing is built for each event', () => {
  let looks = 0
  const busy = busyOrder(1_000)
  for (const one of busy.deliveries) {
    const { key } = one
    Object.defineProperty(one, 'key', {
      get: () => {
        looks += 1
        return key
      },
    })
  }
  expect(progressWriter(busy)(nothingTold())).toBe('')
  expect(looks).toBe(0)
})
