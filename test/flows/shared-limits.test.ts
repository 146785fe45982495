import { sql } from 'kysely'
import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'

import type { HttpOptions } from '#targets/http/http.ts'
import type { Rate } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { type Receiver, startReceiver } from '../support/start-receiver.ts'
import { startWorkers, type Workers } from '../support/start-workers.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
let receiver: Receiver | undefined
let workers: Workers | undefined

afterEach(async () => {
  vi.restoreAllMocks()
  receiver?.answerFromNowOn(0)
  await workers?.stop()
  workers = undefined
  await receiver?.stop()
  receiver = undefined
  await shop.close()
})

/** So many orders that wait for the ERP, and three real worker processes. */
async function openThreeWorkers(orders: number, options: Omit<HttpOptions, 'url'>) {
  const erp = await startReceiver()
  receiver = erp
  shop = await openTestShop([testTarget('erp')])
  await placeOrders(orders)
  const { url } = erp
  const started = await startWorkers(shop, {
    url,
    count: 3,
    options: { timeoutSeconds: 300, ...options },
  })
  workers = started
  return {
    erp,
    processes: started.processes.map((process) => ({ ...process, pid: started.pidOf(process) })),
  }
}

async function placeOrders(count: number) {
  for (let i = 0; i < count; i += 1) await shop.placeOrder()
  await shop.relay()
}

/** As `orderwheel targets set` does. */
async function setConcurrency(concurrency: number) {
  await sql`update orderwheel.targets set concurrency_set = ${concurrency}`.execute(shop.db)
  await sql`select pg_notify('orderwheel_targets', 'erp')`.execute(shop.db)
}

/** Waits until every worker has asked for slots after this moment. */
async function untilAllAsked() {
  const { rows } = await sql<{ now: string }>`select clock_timestamp()::text as now`.execute(
    shop.db,
  )
  await eventually(async () => {
    const late = await sql`
      select from orderwheel.slot_leases where renewed_at < ${rows[0]?.now}::timestamptz`.execute(
      shop.db,
    )
    return late.rows.length === 0
  })
}

test('the concurrency of a target holds for all worker processes together, whatever is changed and whoever dies', async () => {
  const { erp, processes } = await openThreeWorkers(300, { concurrency: 5 })
  await eventually(() => erp.open() === 5)
  // All of them get their part, with never more than five open.
  await eventually(() => {
    erp.answer(1)
    return processes.every(({ pid }) => erp.openOf(pid) > 0)
  })
  await eventually(() => erp.open() === 5)
  expect(erp.most()).toBe(5)

  const [killed, ...others] = processes
  if (!killed) throw new Error('no worker')
  await killed.stop('SIGKILL')
  await eventually(() => erp.openOf(killed.pid) === 0)
  await eventually(() => others.reduce((sum, { pid }) => sum + erp.openOf(pid), 0) === 5, {
    withinSeconds: 40,
  })
  expect(erp.most()).toBe(5)

  await setConcurrency(2)
  await untilAllAsked()
  const before = erp.received.length
  erp.answer(3)
  await untilAllAsked()
  expect(erp.received).toHaveLength(before)
  expect(erp.open()).toBe(2)
  erp.most()
  erp.answer(1)
  await eventually(() => erp.received.length === before + 1)
  expect(erp.most()).toBe(2)

  await setConcurrency(9)
  await eventually(() => erp.open() === 9)
  erp.answerFromNowOn(20)
  await eventually(allDelivered, { withinSeconds: 40 })
  expect(erp.most()).toBe(9)
}, 180_000)

async function allDelivered(): Promise<boolean> {
  const { rows } = await sql`
    select from orderwheel.deliveries where state <> 'delivered' limit 1`.execute(shop.db)
  return rows.length === 0
}

/** The most that happened in any period of so many ms. */
function mostIn(periodMs: number, times: readonly number[]): number {
  const inOrder = times.toSorted((a, b) => a - b)
  return Math.max(
    ...inOrder.map((start, i) => inOrder.slice(i).filter((at) => at < start + periodMs).length),
  )
}

test('the rate of a target holds for all worker processes together, in any second, and is used', async () => {
  const slow: Rate = { max: 10, perSeconds: 1 }
  const { erp } = await openThreeWorkers(200, { rate: slow })
  erp.answerFromNowOn(5)
  await eventually(() => erp.received.length >= 80, { withinSeconds: 40 })
  const [first] = erp.received
  const last = erp.received.at(-1)
  if (!first || !last) throw new Error('nothing received')
  expect(
    mostIn(
      1_000,
      erp.received.map(({ begunAt }) => begunAt),
    ),
  ).toBeLessThanOrEqual(10)
  // When calls begin is the promise: one may be on its way for longer than the next. They began as they say.
  expect(erp.received.filter(({ begunAt, arrivedAt }) => !(begunAt <= arrivedAt))).toEqual([])
  expect(erp.received.length / ((last.begunAt - first.begunAt) / 1_000)).toBeGreaterThan(8)

  await sql`update orderwheel.targets set rate_set = true, rate_set_max = 4, rate_set_per_seconds = 1`.execute(
    shop.db,
  )
  await sql`select pg_notify('orderwheel_targets', 'erp')`.execute(shop.db)
  const before = erp.received.length
  // What was booked by the old rate has gone by then.
  await eventually(() => erp.received.length >= before + 40, { withinSeconds: 40 })
  const slower = erp.received.slice(before + 20).map(({ begunAt }) => begunAt)
  expect(mostIn(1_000, slower)).toBeLessThanOrEqual(4)
}, 180_000)

test('two workers with more to do than they may share a target equally', async () => {
  const [one, two] = [heldCalls(), heldCalls()]
  const erp = { concurrency: 6 }
  shop = await openTestShop([testTarget('erp', erp)])
  await placeOrders(400)
  shop.startWorker({ targets: [testTarget('erp', { ...erp, call: one.call })] })
  await eventually(() => one.inFlight() === 6)
  shop.startWorker({ targets: [testTarget('erp', { ...erp, call: two.call })] })
  await eventually(() => {
    if (one.inFlight() > 3) one.end(1)
    expect(one.inFlight() + two.inFlight()).toBeLessThanOrEqual(6)
    return two.inFlight() === 3 && one.inFlight() === 3
  })
  await untilAllAsked()
  expect([one.inFlight(), two.inFlight()]).toEqual([3, 3])
  one.end()
  two.end()
  await eventually(() => {
    one.end()
    two.end()
    return allDelivered()
  })
})

test('a worker with nothing to do gives its slots back', async () => {
  shop = await openTestShop([testTarget('erp')])
  await placeOrders(10)
  shop.startWorker()
  shop.startWorker()
  await eventually(allDelivered)
  await eventually(async () => {
    const { rows } = await sql`select from orderwheel.slot_leases`.execute(shop.db)
    return rows.length === 0
  })
})

test('limits cost no query for each call', async () => {
  const calls = heldCalls()
  shop = await openTestShop([
    testTarget('erp', {
      concurrency: 100,
      rate: { max: 100_000, perSeconds: 1 },
      call: calls.call,
    }),
  ])
  await placeOrders(1_000)
  const queries = vi.spyOn(pg.Client.prototype, 'query')
  const worker = shop.startWorker()
  await eventually(async () => {
    if (calls.inFlight() === 100 || calls.begun() === 1_000) calls.end()
    return calls.begun() === 1_000 && calls.inFlight() === 0
  })
  await worker.drained(AbortSignal.timeout(20_000))
  expect(calls.begun()).toBe(1_000)
  expect(queries.mock.calls.length).toBeLessThan(500)
})
