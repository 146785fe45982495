import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { markActive } from '#deliveries/mark-active.ts'

import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

/** Seconds since the ERP's only job had its last heartbeat. */
async function silentSeconds(): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select extract(epoch from clock_timestamp() - heartbeat_on)::float8 as seconds
      from pgboss.job where name = 'erp'`.execute(shop.db)
  return rows[0]?.seconds ?? Number.NaN
}

async function beginCall() {
  const erp = heldCalls()
  shop = await openTestShop([testTarget('erp', { call: erp.call })])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker()
  await eventually(() => erp.inFlight() === 1)
  return { erp, orderId, worker }
}

test('a delivery that somebody has locked still has its heartbeats', async () => {
  const { erp, worker } = await beginCall()
  await shop.db.transaction().execute(async (tx) => {
    await sql`select from orderwheel.deliveries for update`.execute(tx)
    await sql`update pgboss.job set heartbeat_on = now() - interval '8 s'`.execute(shop.db)
    // Marking the call as one that takes long waits for us.
    await eventually(async () => (await silentSeconds()) < 3, { withinSeconds: 12 })
  })
  erp.end()
  await worker.drained(AbortSignal.timeout(20_000))
})

test('a call that takes a second shows in its delivery, with its worker and since when', async () => {
  const { erp, orderId, worker } = await beginCall()
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'active')
  const { worker: by, started_at } = await shop.db
    .selectFrom('orderwheel.deliveries')
    .select(['worker', sql<string | null>`started_at::text`.as('started_at')])
    .executeTakeFirstOrThrow()
  expect(by).toContain(`:${process.pid}:`)
  expect(started_at).not.toBeNull()
  erp.end()
  await worker.drained(AbortSignal.timeout(20_000))
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'delivered' })
  // Whoever was shown it while it lasted, and whoever looks later, reads the same.
  const { rows } = await sql<{ shown: boolean; told: boolean }>`
    select d.started_at = ${started_at}::timestamptz as shown, a.started_at = ${started_at}::timestamptz as told
      from orderwheel.deliveries d join orderwheel.delivery_attempts a using (message_id, target)`.execute(
    shop.db,
  )
  expect(rows).toEqual([{ shown: true, told: true }])
})

test('a call that is shown late, since connections were busy, is shown to have begun when it did', async () => {
  shop = await openTestShop([testTarget('erp')])
  await shop.placeOrder()
  await shop.relay()
  const [delivery] = await claimDeliveries(shop, { queue: 'erp', count: 1 })
  if (!delivery) throw new Error('There is nothing to call.')
  const { max } = shop.pool.options
  const held = await Promise.all(Array.from({ length: max }, () => shop.pool.connect()))
  const calls = [{ delivery, begunAt: performance.now() }]
  const marked = markActive(shop.db, { target: 'erp', worker: 'w', calls })
  await held[0]?.query('select pg_sleep(0.5)')
  const asked = await held[0]?.query<{ at: string }>('select clock_timestamp()::text as at')
  for (const client of held) client.release()
  await marked
  const { rows } = await sql<{ state: string; isBefore: boolean }>`
    select state, started_at < ${asked?.rows[0]?.at}::timestamptz as "isBefore"
      from orderwheel.deliveries`.execute(shop.db)
  expect(rows).toEqual([{ state: 'active', isBefore: true }])
})
