import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import type { Worker } from '#deliveries/run-worker.ts'
import { leaseSlots } from '#limits/lease-slots.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'
import type { HttpOptions } from '#targets/http/http.ts'
import { delivered, tryAgain } from '#targets/outcome.ts'
import { type Target, circuitDefaults } from '#targets/target.ts'

import { behave, callsOf, type RecordedCall } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { httpTarget } from '../support/http-target.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
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
  await openSimulator()
  await openShop(httpTarget('erp', { url: `${simulator.url}/erp/orders`, ...options }), count)
}

async function openSimulator(port = 0) {
  simulator = await startSimulator({ port, smtpPort: 0, log: createLog('test', 'silent') })
  await behave(simulator, 'erp', { latencyMs: 5 })
}

async function openShop(erp: Target, count: number) {
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
    // A change is written down a moment after the one that its wait is counted from.
    expect(waits[i]?.seconds).toBeGreaterThan(wait - 0.5)
    expect(waits[i]?.seconds).toBeLessThan(wait + 5)
  }
}, 180_000)

test('an ERP that takes calls and never answers is called once a minute, and gets every order in the end', async () => {
  await openErp(2, { timeoutSeconds: 0.3 })
  await behave(simulator, 'erp', { hang: true })
  await placeOrders(8)
  for (let probes = 0; probes < 6; probes += 1) await passProbe(shop)
  expect((await circuitOf(shop)).probeInSeconds).toBeGreaterThan(50)
  await behave(simulator, 'erp', { hang: false })
  await passProbe(shop)
  await untilAllSettled()
  await expectAllDeliveredInOrder()
  expect(await wastedAttempts(shop)).toBeLessThanOrEqual(4)
})

test('an ERP that nobody answers for gets every order once it is back', async () => {
  await openErp(2)
  const { port } = new URL(simulator.url)
  await simulator.stop()
  await placeOrders(8)
  for (let probes = 0; probes < 6; probes += 1) await passProbe(shop)
  const [opened] = await changesOf(shop)
  expect(opened?.reason).toContain('not sent: connect ECONNREFUSED')
  await openSimulator(Number(port))
  await passProbe(shop)
  await untilAllSettled()
  await expectAllDeliveredInOrder()
  expect(await wastedAttempts(shop)).toBeLessThanOrEqual(4)
})

test.each([
  { status: 503, asked: 600, waited: 600 },
  { status: 429, asked: 600, waited: 600 },
  { status: 429, asked: 80_000, waited: 3_600 },
])(
  'an ERP that answers $status and asks for $asked s is left alone for $waited s, whatever else there is to tell it',
  async ({ status, asked, waited }) => {
    await openErp(2)
    await behave(simulator, 'erp', { status, retryAfterSeconds: asked })
    await placeOrders(2)
    await eventually(async () => (await circuitOf(shop)).state === 'open')
    await eventually(nothingHeld)
    const calls = (await callsOf(simulator, 'erp')).length
    const [opened] = await changesOf(shop)
    expect(opened?.reason).toBe(`asked to be left alone for ${waited} s: answered ${status}`)

    await placeOrders(4)
    await shop.letTimePass(waited - 40)
    await Promise.all(workers.map((worker) => worker.drained(AbortSignal.timeout(30_000))))
    expect(await callsOf(simulator, 'erp')).toHaveLength(calls)
    expect((await circuitOf(shop)).state).toBe('open')

    await behave(simulator, 'erp', { status: null })
    await passProbe(shop)
    await untilAllSettled()
    await expectAllDeliveredInOrder()
    // Only those that were asked.
    expect(await wastedAttempts(shop)).toBeLessThanOrEqual(calls)
  },
)

test('an ERP that fails half of the calls is left alone, until it is better', async () => {
  let calls = 0
  let isBroken = true
  const erp = testTarget('erp', {
    concurrency: 4,
    call: async () => ((calls += 1) % 2 === 0 && isBroken ? tryAgain('answered 500') : delivered()),
  })
  await openSimulator()
  await openShop(erp, 1)
  await placeOrders(40)
  await eventually(async () => (await circuitOf(shop)).state === 'open')
  const [opened] = await changesOf(shop)
  expect(opened?.reason).toMatch(/^\d+ of \d+ calls failed: answered 500$/)
  isBroken = false
  await passProbe(shop)
  await untilAllSettled()
  expect(await openDeliveries()).toBe(0)
  expect((await circuitOf(shop)).state).toBe('closed')
})

test('an order that alone always fails ends as a dead letter, and the others are delivered meanwhile', async () => {
  let bad = ''
  const erp = testTarget('erp', {
    retry: { attempts: 5, delaySeconds: 5, maxDelaySeconds: 60 },
    circuit: { ...circuitDefaults, failuresInARow: 2 },
    call: async ({ order }) => (order.id === bad ? tryAgain('answered 500') : delivered()),
  })
  await openSimulator()
  await openShop(erp, 2)
  bad = (await shop.placeOrder()).orderId
  await shop.relay()
  await eventually(async () => (await shop.attempts(bad)).length === 1)
  // Alone it does open the circuit.
  await shop.letTimePass(60)
  await eventually(async () => (await circuitOf(shop)).state === 'open')
  let rounds = 0
  for (; (await shop.deliveries(bad))['erp'] !== 'dead'; rounds += 1) {
    if (rounds > 60) throw new Error(`still open: ${JSON.stringify(await changesOf(shop))}`)
    const { orderId } = await shop.placeOrder()
    await shop.relay()
    await shop.letTimePass(60)
    await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'delivered')
    await Promise.all(workers.map((worker) => worker.drained(AbortSignal.timeout(30_000))))
  }
  const [letter, ...more] = await shop.db
    .selectFrom('orderwheel.dead_letters')
    .select('order_id')
    .execute()
  expect(letter?.order_id).toBe(bad)
  expect(more).toEqual([])
  expect(await wastedAttempts(shop)).toBe(4)
})

/** Opens the circuit by calls that fail. */
async function openCircuit() {
  await placeOrders(12)
  await eventually(async () => (await circuitOf(shop)).state === 'open')
  await eventually(nothingHeld)
}

/** Waits until so many workers have asked for slots since the circuit got into its state. */
async function untilAsked(count: number) {
  await eventually(async () => {
    const { rows } = await sql<{ asked: number }>`
      select count(*)::int as asked
        from orderwheel.slot_leases l join orderwheel.targets t on t.name = l.target
       where l.renewed_at >= t.circuit_since`.execute(shop.db)
    return rows[0]?.asked === count
  })
}

test('a target is probed by one call, however many workers there are, and then called more and more', async () => {
  const calls = heldCalls()
  let isBroken = true
  const call = () => (isBroken ? Promise.resolve(tryAgain('answered 503')) : calls.call())
  await openSimulator()
  await openShop(testTarget('erp', { concurrency: 12, call }), 3)
  await openCircuit()
  isBroken = false
  await placeOrders(60)
  await shop.letTimePass(6)
  await eventually(() => calls.inFlight() === 1)
  await untilAsked(3)
  expect(calls.most()).toBe(1)

  const steps: number[] = []
  for (const atATime of [2, 4, 8, 12]) {
    calls.end()
    await eventually(() => calls.inFlight() === atATime)
    steps.push(calls.most())
  }
  expect(steps).toEqual([2, 4, 8, 12])
  await untilAsked(3)
  expect(calls.most()).toBe(12)
  expect((await circuitOf(shop)).state).toBe('closed')
  isBroken = true
  calls.end()
})

test('a worker that dies while it probes does not leave the target alone for ever', async () => {
  let calls = 0
  const call = async () => ((calls += 1), delivered())
  await openSimulator()
  await openShop(testTarget('erp', { call }), 0)
  await placeOrders(6)
  const { db, boss } = shop
  await sql`update orderwheel.targets
               set circuit = 'open', circuit_epoch = 1, probe_at = now() - interval '1 second'`.execute(
    db,
  )
  const dead = { target: 'erp', worker: 'dead', inUse: 0, wanted: 20, heedCircuit: true }
  expect(await leaseSlots(db, dead)).toMatchObject({ circuit: 'probing', slots: 1 })
  await claimDeliveries({ db, boss }, { queue: 'erp', count: 1 })
  workers = [shop.startWorker(), shop.startWorker()]
  await untilAsked(3)
  expect(calls).toBe(0)

  const old = sql`now() - interval '1 minute'`
  await sql`update orderwheel.slot_leases set renewed_at = ${old} where worker = 'dead'`.execute(db)
  await sql`update pgboss.job set heartbeat_on = ${old} where state = 'active'`.execute(db)
  await eventually(async () => (await openDeliveries()) === 0)
  const story = (await changesOf(shop)).map(({ change }) => change)
  expect(story.slice(0, 2)).toEqual(['circuit-probing', 'circuit-ramping'])
})

test('deliveries that were claimed but not called when the circuit opens go back, and nothing is written down', async () => {
  let calls = 0
  const call = async () => ((calls += 1), tryAgain('answered 503'))
  const circuit = { ...circuitDefaults, failuresInARow: 1 }
  await openSimulator()
  await openShop(testTarget('erp', { call, circuit, rate: { max: 5, perSeconds: 1 } }), 1)
  for (let i = 0; i < 5; i += 1) await shop.placeOrder()
  await shop.relay()
  await eventually(async () => (await circuitOf(shop)).state === 'open')
  await eventually(nothingHeld)
  const { rows } = await sql`
    select state, attempts, uncharged, count(*)::int as deliveries
      from orderwheel.deliveries group by 1, 2, 3 order by attempts`.execute(shop.db)
  expect(rows).toEqual([
    { state: 'queued', attempts: 0, uncharged: 0, deliveries: 4 },
    { state: 'retrying', attempts: 1, uncharged: 1, deliveries: 1 },
  ])
  expect(
    await shop.db.selectFrom('orderwheel.delivery_attempts').selectAll().execute(),
  ).toHaveLength(1)
  expect(calls).toBe(1)
})

test('a target without a circuit is called by its retry schedule, whatever it answers', async () => {
  const call = async () => tryAgain('answered 503', { notBeforeSeconds: 600 })
  const retry = { attempts: 2, delaySeconds: 1, maxDelaySeconds: 1 }
  await openSimulator()
  await openShop(testTarget('erp', { call, circuit: null, retry }), 2)
  for (let i = 0; i < 30; i += 1) await shop.placeOrder()
  await shop.relay()
  await untilAllSettled()
  expect((await circuitOf(shop)).state).toBe('closed')
  expect(await changesOf(shop)).toEqual([])
  expect(await shop.db.selectFrom('orderwheel.dead_letters').selectAll().execute()).toHaveLength(30)
  expect(await wastedAttempts(shop)).toBe(30)
})
