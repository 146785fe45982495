import { setTimeout } from 'node:timers/promises'

import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { delivered } from '#targets/outcome.ts'
import type { Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

async function placeOrders(count: number): Promise<string[]> {
  const placed = await Promise.all(Array.from({ length: count }, () => shop.placeOrder()))
  await shop.relay()
  return placed.map(({ messageId }) => messageId)
}

async function deliveredTo(target: string): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from orderwheel.deliveries
     where target = ${target} and state = 'delivered'`.execute(shop.db)
  return rows[0]?.n
}

/** A call that ends when it is told to stop, and never before. */
const hang: Target['call'] = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', reject))

test.for([{ slots: 1_000 }, { slots: 20 }])(
  'a target that hangs takes nothing from another, with $slots slots in the worker',
  async ({ slots }) => {
    let hanging = 0
    shop = await openTestShop([
      testTarget('erp', {
        concurrency: 20,
        timeoutSeconds: 300,
        call: (call) => {
          hanging += 1
          return hang(call)
        },
      }),
      testTarget('analytics', { concurrency: 20 }),
    ])
    await placeOrders(200)
    const worker = shop.startWorker({ slots, stopSeconds: 2.1, only: ['erp', 'analytics'] })
    await eventually(() => hanging >= slots / 2 || hanging === 20)
    worker.wake()
    await eventually(async () => (await deliveredTo('analytics')) === 200)
    await placeOrders(50)
    worker.wake()
    await eventually(async () => (await deliveredTo('analytics')) === 250)
  },
)

/** A target that takes a moment for each call, and the messages it was called for. */
function slowTarget(name: string, options: Partial<Target> = {}, called: string[] = []) {
  const call: Target['call'] = async ({ message }) => {
    called.push(message.id)
    await setTimeout(5)
    return delivered()
  }
  return { called, target: testTarget(name, { call, ...options }) }
}

/** Makes of every delivery one whose first attempt failed and whose retry is due. */
async function failFirstAttempts(): Promise<void> {
  await sql`update pgboss.job set state = 'retry', priority = -1, started_on = now(), start_after = now()`.execute(
    shop.db,
  )
  await sql`update orderwheel.deliveries set state = 'retrying', attempts = 1, last_fetch = 0`.execute(
    shop.db,
  )
}

test.for([{ concurrency: 1 }, { concurrency: 4 }])(
  'a new order is called soon although hundreds of retries are due: $concurrency at a time',
  async ({ concurrency }) => {
    const { called, target } = slowTarget('erp', { concurrency })
    shop = await openTestShop([target])
    await placeOrders(400)
    await failFirstAttempts()
    const worker = shop.startWorker()
    await eventually(() => called.length >= 50)
    const [fresh = ''] = await placeOrders(1)
    const before = called.length
    worker.wake()
    await eventually(() => called.includes(fresh))
    // A few that were claimed already, and those called while it was found.
    expect(called.indexOf(fresh) - before).toBeLessThan(60)
    await worker.drained(AbortSignal.timeout(20_000))
    expect(called).toHaveLength(401)
  },
)

test('a new order is called although retries hang, as many as can', async () => {
  const [retries, first] = [heldCalls(), heldCalls()]
  const call: Target['call'] = ({ attempt }) => (attempt > 1 ? retries : first).call()
  shop = await openTestShop([testTarget('erp', { concurrency: 4, call })])
  await placeOrders(20)
  await failFirstAttempts()
  const worker = shop.startWorker({ stopSeconds: 2.1 })
  await eventually(() => retries.inFlight() === 3)
  await placeOrders(1)
  worker.wake()
  await eventually(() => first.inFlight() === 1)
  expect(retries.inFlight()).toBe(3)
})

test.for([{ concurrency: 1 }, { concurrency: 4 }])(
  'retries are called although hundreds of new orders are due: $concurrency at a time',
  async ({ concurrency }) => {
    const { called, target } = slowTarget('erp', { concurrency })
    shop = await openTestShop([target])
    const retries = await placeOrders(20)
    await failFirstAttempts()
    await placeOrders(400)
    const worker = shop.startWorker()
    await worker.drained(AbortSignal.timeout(30_000))
    const last = Math.max(...retries.map((id) => called.indexOf(id)))
    // A quarter of what is claimed while both are due, so 80 and a little more.
    expect(last).toBeGreaterThan(40)
    expect(last).toBeLessThan(160)
    expect(called).toHaveLength(420)
  },
)

test('where a worker cannot serve all, high goes before normal before low, and low is not starved', async () => {
  const calls: string[] = []
  const targetOf = (priority: Target['priority']) =>
    testTarget(priority, {
      priority,
      concurrency: 20,
      call: async () => {
        calls.push(priority)
        await setTimeout(10)
        return delivered()
      },
    })
  shop = await openTestShop([targetOf('low'), targetOf('normal'), targetOf('high')])
  await placeOrders(200)
  const worker = shop.startWorker({ slots: 10 })
  await worker.drained(AbortSignal.timeout(40_000))

  expect(calls).toHaveLength(600)
  const whileHighWaits = Object.groupBy(calls.slice(0, calls.lastIndexOf('high')), (name) => name)
  const shareOf = (name: string) => (whileHighWaits[name]?.length ?? 0) / 200
  expect(shareOf('low')).toBeGreaterThan(0.05)
  expect(shareOf('low')).toBeLessThan(0.5)
  expect(shareOf('normal')).toBeLessThan(0.6)
  expect(calls.lastIndexOf('high')).toBeLessThan(calls.lastIndexOf('normal'))
  expect(calls.lastIndexOf('normal')).toBeLessThan(calls.lastIndexOf('low'))
})

test('a target of high priority that is paused leaves its slots to those of low priority', async () => {
  const [high, low] = [heldCalls(), heldCalls()]
  shop = await openTestShop([
    testTarget('erp', { priority: 'high', concurrency: 20, call: high.call }),
    testTarget('analytics', { priority: 'low', concurrency: 20, call: low.call }),
  ])
  await placeOrders(60)
  const worker = shop.startWorker({ slots: 20, stopSeconds: 2.1 })
  await eventually(() => high.inFlight() + low.inFlight() === 20)
  await sql`update orderwheel.targets set paused_at = now() where name = 'erp'`.execute(shop.db)
  worker.refresh()
  await eventually(() => {
    high.end()
    return low.inFlight() >= 15 && high.inFlight() === 0
  })
  low.end()
})
