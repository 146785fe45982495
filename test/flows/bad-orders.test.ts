import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { delivered, tryAgain } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

test('orders that always fail, one after the other, do not stop their target for the others', async () => {
  const bad = new Set<string>()
  const told = new Set<string>()
  const erp = testTarget('erp', {
    call: async ({ order }) => {
      if (bad.has(order.id)) return tryAgain('answered 500')
      told.add(order.id)
      return delivered()
    },
  })
  shop = await openTestShop([erp])
  for (let n = 0; n < 6; n += 1) bad.add((await shop.placeOrder()).orderId)
  await shop.relay()
  shop.startWorker()
  await eventually(async () => (await circuit()) === 'open')

  for (let n = 0; n < 40; n += 1) await shop.placeOrder()
  await shop.relay()
  for (let minutes = 0; told.size < 40; minutes += 1) {
    expect(minutes, `${told.size} told`).toBeLessThan(10)
    await shop.letTimePass(60)
    const { size } = told
    await eventually(() => told.size > size || told.size === 40).catch(() => {})
  }
  // What always fails pays for it whenever the target is known to be well.
  for (let round = 0; (await mostCharged()) < 3; round += 1) {
    expect(round).toBeLessThan(20)
    const { orderId } = await shop.placeOrder()
    await shop.relay()
    await shop.letTimePass(120)
    await eventually(() => told.has(orderId))
  }
})

test('a call that was lost is not repeated because its delivery has to wait for its turn', async () => {
  let calls = 0
  const call = async () => ((calls += 1), delivered())
  const rate = { max: 1, perSeconds: 3_600 }
  shop = await openTestShop([testTarget('erp', { call, idempotent: false, rate })])
  const { db, boss } = shop
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await claimDeliveries({ db, boss }, { queue: 'erp', count: 1 })
  await sql`update pgboss.job set heartbeat_on = now() - interval '1 minute'`.execute(db)
  await sql`update orderwheel.targets set next_call_at = now() + interval '10 minutes'`.execute(db)
  shop.startWorker()
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'uncertain')
  expect(calls).toBe(0)
})

test('a circuit whose last change a failover lost is heeded as it is now', async () => {
  let isDown = true
  const call = async () => (isDown ? tryAgain('answered 503') : delivered())
  shop = await openTestShop([testTarget('erp', { call })])
  for (let n = 0; n < 6; n += 1) await shop.placeOrder()
  await shop.relay()
  shop.startWorker()
  await eventually(async () => (await circuit()) === 'open')
  isDown = false
  await sql`update orderwheel.targets
               set circuit = 'closed', circuit_epoch = circuit_epoch - 1, probe_at = null,
                   failed_in_a_row = 0, window_failed = 0, window_calls = 0`.execute(shop.db)
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'delivered')
})

async function circuit(): Promise<string | undefined> {
  const row = await shop.db
    .selectFrom('orderwheel.targets')
    .select('circuit')
    .executeTakeFirstOrThrow()
  return row.circuit
}

async function mostCharged(): Promise<number> {
  const { rows } = await sql<{ charged: number | null }>`
    select max(attempts - uncharged) as charged from orderwheel.deliveries
     where settled_at is null`.execute(shop.db)
  return rows[0]?.charged ?? 0
}
