import { setTimeout } from 'node:timers/promises'

import { afterEach, expect, test } from 'vitest'

import { pauseTarget } from '#limits/pause-target.ts'
import { readChanges } from '#limits/read-changes.ts'
import { leasedSlots } from '#limits/read-limits.ts'
import { resumeTarget } from '#limits/resume-target.ts'
import { setLimits } from '#limits/set-limits.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

test('a paused target is not called, others are, and nothing is spent or lost', async () => {
  const calls = await openShop({ concurrency: 20 })
  shop.startWorker()
  shop.startWorker()
  await placeOrders(5)
  await eventually(async () => (await countDelivered('erp')) === 5)

  await pauseTarget(shop.db, { target: 'erp', who: 'eva', reason: 'upgrade', end: null })
  // From here on nobody may begin a call.
  await eventually(async () => (await leasedSlots(shop.db, 'erp')) === 0)
  const before = calls.begun
  await placeOrders(20)
  await eventually(async () => (await countDelivered('stock')) === 25)

  expect(calls.begun).toBe(before)
  await resumeTarget(shop.db, { target: 'erp', who: 'tom', reason: null })
  await eventually(async () => (await countDelivered('erp')) === 25)
  const { rows } = await shop.pool.query(`
    select max(attempts) as attempts, max(uncharged) as uncharged from orderwheel.deliveries`)
  expect(rows).toEqual([{ attempts: 1, uncharged: 0 }])
})

test('a pause with an end is over by itself, and the history says so', async () => {
  await openShop({ concurrency: 20 })
  const end = { afterSeconds: 3_600 }
  await pauseTarget(shop.db, { target: 'erp', who: 'eva', reason: 'upgrade', end })
  shop.startWorker()
  await placeOrders(3)

  await eventually(async () => (await countDelivered('stock')) === 3)
  expect(await countDelivered('erp')).toBe(0)
  await shop.pool.query(`update orderwheel.targets set paused_until = now() where name = 'erp'`)
  await eventually(async () => (await countDelivered('erp')) === 3)

  const changes = await readChanges(shop.db, 'erp')
  expect(changes.map(({ change }) => change)).toEqual(['paused', 'resumed'])
})

test('a concurrency that is lowered while workers run is never exceeded once it holds', async () => {
  const gate = Promise.withResolvers<void>()
  const calls = await openShop({ concurrency: 12, until: gate.promise })
  const workers = [shop.startWorker(), shop.startWorker()]
  await placeOrders(400)
  await eventually(() => calls.underWay === 12)

  await setLimits(shop.db, { target: 'erp', who: 'eva', reason: null, concurrency: 3 })
  // What the notification does in their processes.
  for (const worker of workers) worker.refresh()
  gate.resolve()
  // As the command does. Leases follow what ended within seconds; what begins is held back at once.
  await eventually(async () => (await leasedSlots(shop.db, 'erp')) <= 3)
  expect(calls.underWay).toBeLessThanOrEqual(3)
  calls.most = 0
  const before = calls.begun
  await eventually(() => calls.begun > before + 50)

  expect(calls.most).toBeGreaterThan(0)
  expect(calls.most).toBeLessThanOrEqual(3)
})

/** An ERP whose calls last until then and 40 ms more, and a stock that answers at once. */
async function openShop({
  concurrency,
  until = Promise.resolve(),
}: {
  concurrency: number
  until?: Promise<void>
}) {
  const calls = { begun: 0, underWay: 0, most: 0 }
  const erp = testTarget('erp', {
    concurrency,
    call: async () => {
      calls.begun += 1
      calls.underWay += 1
      calls.most = Math.max(calls.most, calls.underWay)
      await until
      await setTimeout(40)
      calls.underWay -= 1
      return { kind: 'delivered' }
    },
  })
  shop = await openTestShop([erp, testTarget('stock')])
  return calls
}

async function placeOrders(count: number): Promise<void> {
  for (let placed = 0; placed < count; placed += 1) await shop.placeOrder()
  await shop.relay()
}

async function countDelivered(target: string): Promise<number> {
  const { rows } = await shop.pool.query<{ count: number }>(
    `select count(*)::int as count from orderwheel.deliveries where target = $1 and state = 'delivered'`,
    [target],
  )
  return rows[0]?.count ?? 0
}
