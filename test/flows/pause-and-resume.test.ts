import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import type { Worker } from '#deliveries/run-worker.ts'
import { pauseTarget } from '#limits/pause-target.ts'
import { resumeTarget } from '#limits/resume-target.ts'
import { delivered } from '#targets/outcome.ts'
import type { Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { heldCalls, type HeldCalls } from '../support/held-calls.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { changesOf } from '../support/watch-circuit.ts'

let shop: TestShop
let worker: Worker
let erp: HeldCalls

afterEach(async () => {
  erp.end()
  await shop.close()
})

async function openShop(options: Partial<Target> = {}) {
  erp = heldCalls()
  shop = await openTestShop([
    testTarget('erp', { concurrency: 2, ...options, call: erp.call }),
    testTarget('analytics'),
  ])
  worker = shop.startWorker()
}

async function placeOrders(count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i += 1) ids.push((await shop.placeOrder()).orderId)
  await shop.relay()
  worker.wake()
  return ids
}

async function pause(end: Parameters<typeof pauseTarget>[1]['end'] = null) {
  await pauseTarget(shop.db, { target: 'erp', who: 'ada', reason: 'their stocktaking', end })
  worker.refresh()
}

/** Nothing is left to do that may be done. */
const isCalm = () => worker.drained(AbortSignal.timeout(20_000))

/** Every worker has asked for slots since, and was told that there are none. */
async function isNoticed(): Promise<boolean> {
  const { rows } = await sql`
    select from orderwheel.targets t join orderwheel.slot_leases l on l.target = t.name
     where t.name = 'erp' and l.renewed_at < t.paused_at`.execute(shop.db)
  return rows.length === 0
}

/** How many deliveries of a target are in each state after so many attempts: `{ 'queued 0': 8 }`. */
async function deliveriesTo(target: string): Promise<Record<string, number>> {
  const rows = await shop.db
    .selectFrom('orderwheel.deliveries')
    .select(['state', 'attempts'])
    .where('target', '=', target)
    .execute()
  const groups = Map.groupBy(rows, ({ state, attempts }) => `${state} ${attempts}`)
  return Object.fromEntries([...groups].map(([what, of]) => [what, of.length]))
}

test('a paused target is not called and nothing is spent; calls in flight end, other targets go on', async () => {
  await openShop()
  await placeOrders(6)
  await eventually(() => erp.inFlight() === 2)
  await pause()
  await eventually(isNoticed)
  erp.end(2, delivered())
  await placeOrders(4)
  await isCalm()

  expect(erp.begun()).toBe(2)
  expect(await deliveriesTo('erp')).toEqual({ 'delivered 1': 2, 'queued 0': 8 })
  expect(await deliveriesTo('analytics')).toEqual({ 'delivered 1': 10 })
})

test('a target that is resumed by hand is called at once', async () => {
  await openShop()
  await pause()
  await placeOrders(2)
  await isCalm()
  expect(erp.begun()).toBe(0)
  await resumeTarget(shop.db, { target: 'erp', who: 'grace', reason: 'they are back' })
  worker.refresh()
  await eventually(() => erp.inFlight() === 2)
  expect(await changesOf(shop)).toMatchObject([
    { change: 'paused', reason: 'their stocktaking' },
    { change: 'resumed', reason: 'they are back' },
  ])
})

test('a pause with an end ends by itself, and that is written down', async () => {
  await openShop()
  await pause({ afterSeconds: 7_200 })
  await placeOrders(2)
  await shop.letTimePass(7_000)
  await isCalm()
  expect(erp.begun()).toBe(0)

  await shop.letTimePass(201)
  await eventually(() => erp.inFlight() === 2)
  const [paused, resumed] = await changesOf(shop)
  expect(paused?.reason).toContain('their stocktaking (until ')
  expect(resumed).toMatchObject({ change: 'resumed', reason: 'the time it was paused for is over' })
  expect(resumed?.seconds).toBeGreaterThanOrEqual(7_200)
})

test('what was claimed and not called yet when a target is paused goes back, and nothing is written down', async () => {
  await openShop({ concurrency: 5, rate: { max: 1, perSeconds: 0.8 } })
  await placeOrders(4)
  await eventually(() => erp.inFlight() === 1)
  await pause()
  erp.end()
  await isCalm()
  expect(erp.begun()).toBe(1)
  expect(await deliveriesTo('erp')).toEqual({ 'delivered 1': 1, 'queued 0': 3 })
})

test('a pause is kept through the end of every worker', async () => {
  await openShop()
  await pause()
  await worker.stop()
  worker = shop.startWorker()
  await placeOrders(2)
  await isCalm()
  expect(erp.begun()).toBe(0)
})
