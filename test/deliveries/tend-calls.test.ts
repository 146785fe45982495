import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { delivered } from '#targets/outcome.ts'

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
    .select(['worker', 'started_at'])
    .executeTakeFirstOrThrow()
  expect(by).toContain(`:${process.pid}:`)
  expect(started_at).not.toBeNull()
  erp.end()
  await worker.drained(AbortSignal.timeout(20_000))
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'delivered' })
})

test('a call whose delivery was given to another worker is ended, and settles nothing', async () => {
  const ended = Promise.withResolvers<void>()
  shop = await openTestShop([
    testTarget('erp', {
      timeoutSeconds: 600,
      call: async ({ signal, attempt }) => {
        if (attempt > 1) return delivered()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        ended.resolve()
        return delivered({ text: 'too late' })
      },
    }),
  ])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  shop.startWorker()
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'active')
  // As if it had been silent for long enough.
  await sql`update pgboss.job set state = 'retry', start_after = now()`.execute(shop.db)
  await ended.promise
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'delivered')
  expect(await shop.attempts(orderId)).toMatchObject([
    { number: 1, outcome: 'abandoned' },
    { number: 2, outcome: 'delivered', answer: null },
  ])
})
