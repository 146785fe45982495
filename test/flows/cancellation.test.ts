import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { rescueLost } from '#deliveries/rescue-lost.ts'
import { cancelOrder } from '#orders/cancel-order.ts'
import { readOrder } from '#orders/read-order.ts'
import { relayBatch } from '#relay/relay-batch.ts'
import { startRelay } from '#relay/run-relay.ts'
import { readTimeline } from '#status/read-timeline.ts'
import { delivered, giveUp, tryAgain, uncertain, type Outcome } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

// Parcels and receipts need not be heard of by who was never asked for them; the email comes after the receipt.
const withdrawn = ['warehouse', 'receipt']
const names = ['erp', ...withdrawn, 'confirmation-email']

async function openShop(
  answer: (target: string, kind: string) => Outcome = () => delivered(),
  routes: Record<string, string[]> = { 'order.placed': names, 'order.cancelled': names },
  kind: 'custom' | 'http' | 'email' = 'custom',
) {
  const told: { target: string; orderId: string; kind: string }[] = []
  const targets = names.map((name) =>
    testTarget(name, {
      kind,
      circuit: null,
      withdrawWhenCancelled: withdrawn.includes(name),
      after: name === 'confirmation-email' ? ['receipt'] : [],
      async call({ order, message }) {
        const outcome = answer(name, message.kind)
        if (outcome.kind === 'delivered')
          told.push({ target: name, orderId: order.id, kind: message.kind })
        return outcome
      },
    }),
  )
  shop = await openTestShop(targets, routes)
  return told
}

function cancel(orderId: string, reason: string | null = null) {
  return shop.db.transaction().execute((tx) => cancelOrder(tx, { id: orderId, reason }))
}

async function workOff(): Promise<void> {
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
}

/** `erp: order.placed delivered, order.cancelled queued`. */
async function states(orderId: string): Promise<Record<string, string>> {
  const report = await readOrder(shop.db, { id: orderId })
  const lines = (report?.deliveries ?? []).map(
    ({ target, message, state }) => [target, `${message.kind} ${state}`] as const,
  )
  const byTarget = Map.groupBy(lines, ([target]) => target)
  return Object.fromEntries(
    Array.from(byTarget, ([target, lines]) => [target, lines.map(([, line]) => line).join(', ')]),
  )
}

async function jobs(orderId: string): Promise<string[]> {
  const { rows } = await sql<{ job: string }>`
    select name || ' ' || singleton_key as job from pgboss.job
     where data->>'orderId' = ${orderId} order by name, singleton_key`.execute(shop.db)
  return rows.map(({ job }) => job.replace(`:${orderId}`, ''))
}

async function expectNothingLost(): Promise<void> {
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
}

test('an order cancelled before anybody was called is told only to those who want to hear of it all the same', async () => {
  const told = await openShop()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await cancel(orderId, 'changed her mind')
  await shop.relay()

  expect(await states(orderId)).toEqual({
    erp: 'order.placed queued, order.cancelled waiting',
    warehouse: 'order.placed cancelled, order.cancelled cancelled',
    receipt: 'order.placed cancelled, order.cancelled cancelled',
    // It had to wait for the receipt, and does not any more.
    'confirmation-email': 'order.placed queued, order.cancelled waiting',
  })
  expect(await jobs(orderId)).toEqual(['confirmation-email order.placed', 'erp order.placed'])
  await expectNothingLost()

  await workOff()
  expect(told.map(({ target, kind }) => `${target} ${kind}`).toSorted()).toEqual([
    'confirmation-email order.cancelled',
    'confirmation-email order.placed',
    'erp order.cancelled',
    'erp order.placed',
  ])
  expect((await readOrder(shop.db, { id: orderId }))?.state).toBe('cancelled')
  expect(await jobs(orderId)).toEqual([])
  await expectNothingLost()
  const story = await readTimeline(shop.db, orderId)
  expect(story.filter(({ event }) => event === 'withdrawn')).toMatchObject([
    {
      target: 'receipt',
      detail: expect.stringMatching(/^order\.\w+: the order was cancelled before receipt was told/),
    },
    { target: 'receipt' },
    { target: 'warehouse' },
    { target: 'warehouse' },
  ])
})

test('an order cancelled after everybody was told is cancelled everywhere, after it was placed', async () => {
  const told = await openShop()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await workOff()
  await cancel(orderId)
  await shop.relay()
  await eventually(() => told.length === 8)

  for (const name of names)
    expect(told.filter(({ target }) => target === name).map(({ kind }) => kind)).toEqual([
      'order.placed',
      'order.cancelled',
    ])
  await expectNothingLost()
})

test('a target that is being called when the order is cancelled hears of the cancellation afterwards', async () => {
  await openShop()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const { db, boss } = shop
  const [claimed] = await claimDeliveries({ db, boss }, { queue: 'warehouse', count: 1 })
  expect(claimed?.orderId).toBe(orderId)
  await cancel(orderId)
  await shop.relay()

  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed queued, order.cancelled waiting',
    receipt: 'order.placed cancelled, order.cancelled cancelled',
  })
})

test('a worker that is just fetching the delivery wins: the relay does not wait for it, and withdraws nothing of it', async () => {
  await openShop()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await cancel(orderId)
  await shop.db.transaction().execute(async (fetching) => {
    await sql`select from pgboss.job where name = 'warehouse' for update`.execute(fetching)
    await shop.relay()
  })

  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed queued, order.cancelled waiting',
    receipt: 'order.placed cancelled, order.cancelled cancelled',
  })
  await workOff()
  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed delivered, order.cancelled delivered',
  })
  await expectNothingLost()
})

test('a target that a killed worker may have told hears of the cancellation', async () => {
  await openShop()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const { db, boss } = shop
  await claimDeliveries({ db, boss }, { queue: 'warehouse', count: 1 })
  // Its worker is gone: the job is taken back, and no attempt tells of the call.
  await sql`update pgboss.job set heartbeat_on = now() - interval '1 hour' where name = 'warehouse'`.execute(
    db,
  )
  await rescueLost(db, boss, ['warehouse'])
  await cancel(orderId)
  await shop.relay()

  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed queued, order.cancelled waiting',
  })
  await workOff()
  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed delivered, order.cancelled delivered',
  })
})

test('a target that refused the order is a dead letter still, and hears of the cancellation once a person has decided', async () => {
  const told = await openShop((target, kind) =>
    target === 'warehouse' && kind === 'order.placed' ? giveUp('unknown article') : delivered(),
  )
  const { orderId, messageId } = await shop.placeOrder()
  await shop.relay()
  await workOff()
  await cancel(orderId)
  await shop.relay()

  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed dead, order.cancelled waiting',
  })
  expect((await readOrder(shop.db, { id: orderId }))?.state).toBe('needs-attention')
  const { db, boss } = shop
  const decision = { messageId, target: 'warehouse', decision: 'skip', who: 'ada' } as const
  await decideDelivery({ db, boss }, { ...decision, reason: 'it was cancelled' })
  await eventually(() => told.some((one) => one.target === 'warehouse'))
  await eventually(async () => (await readOrder(db, { id: orderId }))?.state === 'cancelled')
  await expectNothingLost()
})

test.each([
  { attempt: 'was not sent', outcome: tryAgain('not sent: connect ECONNREFUSED'), kind: 'http' },
  {
    attempt: 'was answered 429',
    outcome: tryAgain('answered 429', { answer: { status: 429 } }),
    kind: 'http',
  },
  {
    attempt: 'was refused by a mail server with 451',
    outcome: tryAgain('answered 451', { answer: { status: 451 } }),
    kind: 'email',
  },
  {
    attempt: 'was refused by a mail server with 535',
    outcome: tryAgain('answered 535', { answer: { status: 535 } }),
    kind: 'email',
  },
] as const)(
  'a target whose every attempt $attempt is told nothing of an order that is cancelled meanwhile',
  async ({ outcome, kind }) => {
    const told = await openShop(
      (target) => (target === 'warehouse' ? outcome : delivered()),
      undefined,
      kind,
    )
    const { orderId } = await shop.placeOrder()
    await shop.relay()
    const worker = shop.startWorker()
    await eventually(
      async () =>
        (await states(orderId))['warehouse'] === 'order.placed retrying' && told.length === 3,
    )
    await cancel(orderId)
    await shop.relay()
    expect(await states(orderId)).toMatchObject({
      warehouse: 'order.placed cancelled, order.cancelled cancelled',
    })
    expect((await jobs(orderId)).filter((job) => job.startsWith('warehouse'))).toEqual([])
    worker.refresh()
    await worker.drained(AbortSignal.timeout(20_000))
    expect(told.some(({ target }) => target === 'warehouse')).toBe(false)
    expect((await readOrder(shop.db, { id: orderId }))?.state).toBe('cancelled')
    await expectNothingLost()
  },
)

test.each([
  { attempt: 'got no answer', outcome: uncertain('sent, but no answer'), kind: 'http' },
  {
    attempt: 'was answered 500',
    outcome: tryAgain('answered 500', { answer: { status: 500 } }),
    kind: 'http',
  },
  {
    attempt: 'was answered 503 by what stands before it, which had waited long enough',
    outcome: tryAgain('answered 503', { answer: { status: 503 } }),
    kind: 'http',
  },
  {
    attempt: 'was answered 524 by a CDN that had waited long enough',
    outcome: tryAgain('answered 524', { answer: { status: 524 } }),
    kind: 'http',
  },
  {
    attempt: 'was answered 200, which the configuration takes for “not yet”',
    outcome: tryAgain('it says busy', { answer: { status: 200 } }),
    kind: 'http',
  },
  { attempt: 'was a function that threw', outcome: tryAgain('no'), kind: 'custom' },
] as const)(
  'a target whose attempt $attempt may have been told, and hears of the cancellation',
  async ({ outcome, kind }) => {
    let isFirst = true
    await openShop(
      (target) => {
        if (target !== 'warehouse') return delivered()
        const now = isFirst ? outcome : tryAgain('not sent')
        isFirst = false
        return now
      },
      undefined,
      kind,
    )
    const { orderId } = await shop.placeOrder()
    await shop.relay()
    const worker = shop.startWorker()
    await eventually(async () => (await states(orderId))['warehouse'] === 'order.placed retrying')
    // What failed since takes nothing back.
    await shop.letTimePass()
    worker.refresh()
    await eventually(
      async () =>
        (await shop.attempts(orderId)).filter((one) => one.target === 'warehouse').length === 2,
    )
    await cancel(orderId)
    await shop.relay()
    expect(await states(orderId)).toMatchObject({
      warehouse: 'order.placed retrying, order.cancelled waiting',
    })
  },
)

test('a target that hears of cancellations only is told of every one', async () => {
  const told = await openShop(() => delivered(), {
    'order.placed': ['erp'],
    'order.cancelled': ['erp', 'warehouse'],
  })
  const { orderId } = await shop.placeOrder()
  await cancel(orderId)
  await shop.relay()
  await workOff()
  expect(told).toContainEqual({ target: 'warehouse', orderId, kind: 'order.cancelled' })
})

test('what else is told of an order that was cancelled twice by hand is settled at once, too', async () => {
  await openShop()
  const { orderId } = await shop.placeOrder()
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()
  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed cancelled, order.cancelled cancelled, order.cancelled cancelled',
    erp: 'order.placed queued, order.cancelled waiting, order.cancelled waiting',
  })
  await expectNothingLost()
})

test('a relay that fails half-way has withdrawn nothing', async () => {
  await openShop()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await cancel(orderId)
  const before = await jobs(orderId)
  const broken = { ...shop.relayOptions, routes: { 'order.cancelled': ['erp', 'nobody'] } }
  await expect(relayBatch(broken, { limit: 500 })).rejects.toThrow('unknown target nobody')

  expect(await jobs(orderId)).toEqual(before)
  expect((await states(orderId))['warehouse']).toBe('order.placed queued')
  await shop.relay()
  expect(await states(orderId)).toMatchObject({
    warehouse: 'order.placed cancelled, order.cancelled cancelled',
  })
})

test('of orders cancelled while two relays and two workers are at it, each target hears all or nothing, in order, and nothing is lost', async () => {
  const told = await openShop()
  const workers = [shop.startWorker(), shop.startWorker()]
  const relays = [0, 1].map(() =>
    startRelay({
      ...shop.relayOptions,
      jobsAdded: (targets) => workers.forEach((worker) => worker.wake(targets)),
    }),
  )
  try {
    const orders = await Promise.all(
      Array.from({ length: 150 }, async (_, index) => {
        const { orderId } = await shop.placeOrder()
        // Some at once, some while they are told, some afterwards.
        if (index % 3 > 0) await eventually(() => told.length > index)
        await Promise.all([cancel(orderId), cancel(orderId)])
        return orderId
      }),
    )
    relays.forEach((relay) => relay.wake())
    await eventually(async () => (await open()) === 0, { withinSeconds: 50 })
    for (const orderId of orders)
      for (const name of names) {
        const heard = told.filter((one) => one.orderId === orderId && one.target === name)
        const kinds = heard.map(({ kind }) => kind).join(', ')
        expect(withdrawn.includes(name) ? ['', inOrder] : [inOrder]).toContain(kinds)
      }
    await expectNothingLost()
    expect(await deadlocks()).toBe(0)
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()))
  }
})

const inOrder = 'order.placed, order.cancelled'

async function open(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select (select count(*)::int from orderwheel.outbox)
         + (select count(*)::int from orderwheel.deliveries where settled_at is null) as n`.execute(
    shop.db,
  )
  return rows[0]?.n ?? -1
}

async function deadlocks(): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select deadlocks as n from pg_stat_database where datname = current_database()`.execute(shop.db)
  return Number(rows[0]?.n)
}
