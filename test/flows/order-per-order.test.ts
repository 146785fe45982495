import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { isTransient } from '#database/transient-error.ts'
import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { decideSettlement } from '#deliveries/decide-settlement.ts'
import { nothingInTheWay } from '#deliveries/release-waiting.ts'
import { settleDeliveries } from '#deliveries/settle-deliveries.ts'
import { readOrder } from '#orders/read-order.ts'
import { relayBatch } from '#relay/relay-batch.ts'
import { startRelay } from '#relay/run-relay.ts'
import { delivered, giveUp, type Outcome, tryAgain } from '#targets/outcome.ts'
import { type Target, targetDefaults } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

const names = ['erp', 'stock', 'partner-webhook', 'confirmation-email']

/** A shop that tells every target of every message. What fails is due again as soon as time passes. */
async function openShop(answer: (name: string, messageId: string) => Outcome) {
  const told: { target: string; orderId: string; messageId: string }[] = []
  const tell =
    (name: string): Target['call'] =>
    async ({ order, message }) => {
      const outcome = answer(name, message.id)
      if (outcome.kind === 'delivered') {
        told.push({ target: name, orderId: order.id, messageId: message.id })
      }
      return outcome
    }
  const targets = names.map((name) =>
    testTarget(name, {
      circuit: null,
      after: name === 'confirmation-email' ? ['erp', 'stock'] : [],
      call: tell(name),
    }),
  )
  shop = await openTestShop(targets, { 'order.placed': names, 'order.cancelled': names })
  return told
}

/** An order with three messages; answers them in the order in which they happened. */
async function placeThree() {
  const { orderId, messageId } = await shop.placeOrder()
  const later = [
    await shop.addMessage(orderId, 'order.cancelled'),
    await shop.addMessage(orderId, 'order.cancelled'),
  ]
  return { orderId, messageIds: [messageId, ...later] }
}

test('every target hears of an order’s messages in the order they happened, whatever fails on the way', async () => {
  const told = await openShop(() => (Math.random() < 0.3 ? tryAgain('busy') : delivered()))
  const workers = [shop.startWorker(), shop.startWorker()]
  const relays = workers.map((worker) =>
    startRelay({ ...shop.relayOptions, jobsAdded: (targets) => worker.wake(targets) }),
  )
  try {
    const orders = await Promise.all(Array.from({ length: 30 }, placeThree))
    await eventually(
      async () => {
        await shop.letTimePass()
        return (await open()) === 0
      },
      { withinSeconds: 50 },
    )
    for (const { orderId, messageIds } of orders) {
      for (const target of names) {
        const heard = told.filter((one) => one.orderId === orderId && one.target === target)
        expect(heard.map(({ messageId }) => messageId)).toEqual(messageIds)
      }
    }
    expect(await deadlocks()).toBe(0)
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()))
  }
})

/** Messages not yet relayed and deliveries not yet made. */
async function open(): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select (select count(*) from orderwheel.outbox)
         + (select count(*) from orderwheel.deliveries where state <> 'delivered') as n`.execute(
    shop.db,
  )
  return Number(rows[0]?.n)
}

async function deadlocks(): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select deadlocks as n from pg_stat_database where datname = current_database()`.execute(shop.db)
  return Number(rows[0]?.n)
}

const decisions = [
  { decision: 'try-again', state: 'delivered' },
  { decision: 'skip', state: 'skipped' },
] as const

test.for(decisions)(
  'a dead letter holds back its order’s later messages for its target, and nothing else, until: $decision',
  async ({ decision, state }) => {
    let mended = false
    let bad = ''
    const told = await openShop((name, messageId) =>
      name === 'erp' && messageId === bad && !mended ? giveUp('no such article') : delivered(),
    )
    const stuck = await placeThree()
    const other = await placeThree()
    bad = stuck.messageIds[0] ?? ''
    const worker = shop.startWorker()
    await shop.relay()
    await worker.drained(AbortSignal.timeout(20_000))

    const [first = '', second = '', third = ''] = stuck.messageIds
    const waitsFor = await report(stuck.orderId)
    const dead = { target: 'erp', messageId: first }
    expect(waitsFor).toMatchObject({
      erp: { [first]: 'dead', [second]: [dead], [third]: [dead, { ...dead, messageId: second }] },
      stock: { [first]: 'delivered', [second]: 'delivered', [third]: 'delivered' },
      'partner-webhook': { [third]: 'delivered' },
      // It waits for the ERP's telling of the same message, which never came.
      'confirmation-email': { [first]: [dead] },
    })
    expect(await deliveriesOf(other.orderId)).toEqual(Array(12).fill('delivered'))

    mended = true
    const { db, boss } = shop
    const request = { messageId: first, target: 'erp', who: 'ada', reason: 'mended' }
    await decideDelivery({ db, boss }, { ...request, decision })
    worker.wake()
    await eventually(async () => (await openStates(stuck.orderId)).length === 0)
    expect(await report(stuck.orderId)).toMatchObject({ erp: { [first]: state } })
    const heard = told.filter(
      ({ orderId, target }) => orderId === stuck.orderId && target === 'erp',
    )
    expect(heard.map(({ messageId }) => messageId)).toEqual(
      decision === 'skip' ? [second, third] : [first, second, third],
    )
  },
)

/** By target and message: the delivery's state, or what it waits for. */
async function report(orderId: string) {
  const order = await readOrder(shop.db, { id: orderId })
  const byTarget = Object.groupBy(order?.deliveries ?? [], ({ target }) => target)
  return Object.fromEntries(
    Object.entries(byTarget).map(([target, deliveries = []]) => [
      target,
      Object.fromEntries(
        deliveries.map(({ message, state, waitsFor }) => [
          message.id,
          state === 'waiting' ? waitsFor : state,
        ]),
      ),
    ]),
  )
}

async function deliveriesOf(orderId: string): Promise<string[]> {
  const order = await readOrder(shop.db, { id: orderId })
  return order?.deliveries.map(({ state }) => state) ?? []
}

async function openStates(orderId: string): Promise<string[]> {
  const states = await deliveriesOf(orderId)
  return states.filter((state) => state !== 'delivered' && state !== 'skipped')
}

test('messages relayed at the moment the earlier ones are settled: none is left waiting for nothing', async () => {
  await openShop(() => delivered())
  const stop = AbortSignal.timeout(45_000)
  const total = 150 * 3 * names.length
  const place = async () => {
    for (let n = 0; n < 30; n += 1) await placeThree()
  }
  const placing = Promise.all(Array.from({ length: 5 }, place))
  // No worker, and so no sweep that would find what was forgotten.
  const settlers = [...names, ...names].map((name) => settleAll(name, stop, total))
  const relays = Array.from({ length: 3 }, () => relayAll(stop, total))
  await Promise.all([placing, ...settlers, ...relays])

  expect(await stranded()).toEqual([])
  expect(await settledCount()).toBe(total)
  expect(await deadlocks()).toBe(0)
})

async function relayAll(stop: AbortSignal, total: number): Promise<void> {
  while (!stop.aborted && (await settledCount()) < total) {
    await repeated(() =>
      relayBatch(shop.relayOptions, { limit: 1 + Math.floor(Math.random() * 40) }),
    )
  }
}

/** Claims and settles deliveries of a target, a few at a time, as the pumps of several workers do. */
async function settleAll(name: string, stop: AbortSignal, total: number): Promise<void> {
  const deps = { db: shop.db, boss: shop.boss, worker: 'w' }
  while (!stop.aborted && (await settledCount()) < total) {
    const count = 1 + Math.floor(Math.random() * 20)
    const claimed = (await repeated(() => claimDeliveries(deps, { queue: name, count }))) ?? []
    const settlements = claimed.map((delivery) =>
      decideSettlement(targetDefaults, {
        delivery,
        end: { outcome: delivered(), askFirst: false, durationMs: 1 },
        begunAt: performance.now(),
      }),
    )
    if (settlements.length > 0) await repeated(() => settleDeliveries(deps, name, settlements))
  }
}

/** As relay and worker do: what failed for a transient reason is tried again. */
async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isTransient(error)) throw error
    }
  }
}

async function settledCount(): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select count(*) as n from orderwheel.deliveries where settled_at is not null`.execute(shop.db)
  return Number(rows[0]?.n)
}

async function stranded(): Promise<unknown[]> {
  const { rows: orders } = await sql<{ id: string }>`select id from orderwheel.orders`.execute(
    shop.db,
  )
  const { rows } = await sql`
    select target, message_id from orderwheel.deliveries w
     where state = 'waiting' and ${nothingInTheWay(orders.map(({ id }) => id))}`.execute(shop.db)
  return rows
}
