import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import type { Worker } from '#deliveries/run-worker.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'
import type { HttpOptions } from '#targets/http.ts'

import { behave, callsOf, type RecordedCall } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { httpTarget } from '../support/http-target.ts'
import { openTestShop, type TestShop } from '../support/test-shop.ts'
import { changesOf, circuitOf, passProbe, wastedAttempts } from '../support/watch-circuit.ts'

let shop: TestShop
let simulator: Simulator
let workers: Worker[] = []

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()))
  await shop.close()
  await simulator.stop()
})

/** A shop with a simulated ERP, and so many workers. */
async function openErp(count: number, options: Partial<HttpOptions> = {}) {
  simulator = await startSimulator({ port: 0, smtpPort: 0, log: createLog('test', 'silent') })
  await behave(simulator, 'erp', { latencyMs: 5 })
  const erp = httpTarget('erp', { url: `${simulator.url}/erp/orders`, ...options })
  shop = await openTestShop([erp], { 'order.placed': ['erp'], 'order.cancelled': ['erp'] })
  workers = Array.from({ length: count }, () => shop.startWorker())
}

/** Places orders; every other one is cancelled at once. */
async function placeOrders(count: number) {
  for (let i = 0; i < count; i += 1) {
    const { orderId } = await shop.placeOrder()
    if (i % 2 === 0) await shop.addMessage(orderId, 'order.cancelled')
  }
  await shop.relay()
  for (const worker of workers) worker.wake()
}

/** Lets time pass until nothing is open any more. */
async function untilAllSettled() {
  for (let minute = 0; minute < 60; minute += 1) {
    await Promise.all(workers.map((worker) => worker.drained(AbortSignal.timeout(30_000))))
    if ((await openDeliveries()) === 0) return
    await shop.letTimePass(60)
  }
}

async function openDeliveries(): Promise<number> {
  const open = await shop.db
    .selectFrom('orderwheel.deliveries')
    .select('message_id')
    .where('settled_at', 'is', null)
    .execute()
  return open.length
}

/** Whether everything that was claimed went back. */
async function nothingHeld(): Promise<boolean> {
  const { rows } = await sql`select from pgboss.job where state = 'active'`.execute(shop.db)
  return rows.length === 0
}

async function expectAllDeliveredInOrder() {
  const states = await shop.db.selectFrom('orderwheel.deliveries').select('state').execute()
  expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['delivered']))
  expect(await shop.db.selectFrom('orderwheel.dead_letters').selectAll().execute()).toEqual([])
  const told = (await callsOf(simulator, 'erp')) as (RecordedCall & { body: Told })[]
  const taken = told.filter((call) => call.answered === 201).map((call) => call.body)
  expect(taken).toHaveLength(states.length)
  const kinds = [...Map.groupBy(taken, ({ order }) => order.id).values()].map((of) =>
    of.map(({ message }) => message.kind).join(', '),
  )
  expect(new Set(kinds)).toEqual(new Set(['order.placed', 'order.placed, order.cancelled']))
}

type Told = { order: { id: string }; message: { kind: string } }

test('a two-hour outage of the ERP ends with every order delivered, in order, no dead letters and no attempts wasted', async () => {
  await openErp(3)
  await behave(simulator, 'erp', { outage: true })
  await placeOrders(12)
  await eventually(async () => (await circuitOf(shop)).state === 'open')
  await eventually(nothingHeld)
  const callsUntilOpen = (await callsOf(simulator, 'erp')).length
  let probes = 0
  for (let seconds = 0; seconds < 7_200; probes += 1) {
    seconds += await passProbe(shop)
    if (probes % 20 === 0) await placeOrders(4)
  }
  expect(callsUntilOpen).toBeLessThanOrEqual(20)
  expect((await callsOf(simulator, 'erp')).length - callsUntilOpen).toBe(probes)
  expect(probes).toBeLessThan(130)

  await behave(simulator, 'erp', { outage: false })
  await passProbe(shop)
  await untilAllSettled()
  await expectAllDeliveredInOrder()
  // Those that failed before five in a row opened the circuit.
  expect(await wastedAttempts(shop)).toBeLessThanOrEqual(4)

  const story = await changesOf(shop)
  expect(story[0]).toMatchObject({
    change: 'circuit-opened',
    reason: expect.stringMatching(/^\d+ calls failed in a row: answered 503$/),
  })
  expect(story.slice(1, 3)).toMatchObject([
    { change: 'circuit-probing', reason: 'it is time to see whether it is back' },
    { change: 'circuit-opened', reason: 'still failing: answered 503' },
  ])
  expect(story.slice(-3)).toMatchObject([
    { change: 'circuit-probing' },
    { change: 'circuit-ramping', reason: 'a probe succeeded' },
    { change: 'circuit-closed', reason: 'back at full strength' },
  ])
  expect(story).toHaveLength(1 + 2 * probes + 3)
  const waits = story.filter(({ change }) => change === 'circuit-probing')
  for (const [i, wait] of [5, 10, 20, 40, 60, 60].entries()) {
    expect(waits[i]?.seconds).toBeGreaterThanOrEqual(wait)
    expect(waits[i]?.seconds).toBeLessThan(wait + 5)
  }
}, 180_000)
