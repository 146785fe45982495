import { sql } from 'kysely'
import { PgBoss } from 'pg-boss'
import { afterEach, expect, test } from 'vitest'

import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { verifyShop } from '../support/verify-shop.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

/** pg-boss's own maintenance, a day after every job that is being worked on was taken. */
async function expireJobs({ pool, db }: TestShop) {
  await sql`update pgboss.job set started_on = now() - interval '25 hours' where state = 'active'`.execute(
    db,
  )
  const boss = new PgBoss({
    db: { executeSql: (text, values) => pool.query(text, values) },
    migrate: false,
    createSchema: false,
    schedule: false,
    supervise: false,
  })
  boss.on('error', () => {})
  await boss.start()
  await boss.supervise('erp')
  await boss.stop({ graceful: false })
}

test('a delivery whose job expires during its last attempt is one dead letter that says so, whatever its call comes to later', async () => {
  const calls = heldCalls()
  const erp = testTarget('erp', {
    call: calls.call,
    timeoutSeconds: 600,
    retry: { attempts: 1, delaySeconds: 0, maxDelaySeconds: 0 },
  })
  shop = await openTestShop([erp])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  shop.startWorker()
  await eventually(() => calls.inFlight() === 1)

  await expireJobs(shop)
  await shop.letTimePass()
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'dead')
  calls.end()
  await verifyShop(shop.db, { isFull: true })

  const letters = await shop.db.selectFrom('orderwheel.dead_letters').selectAll().execute()
  expect(letters).toMatchObject([
    {
      order_id: orderId,
      reason: expect.stringMatching(/^Given up after 1 attempts: .* or had it for a day\.$/),
      attempts: [{ outcome: 'abandoned' }, { outcome: 'give-up' }],
    },
  ])
  expect(calls.begun()).toBe(1)
  const jobs = await sql`select name, state from pgboss.job`.execute(shop.db)
  expect(jobs.rows).toEqual([{ name: 'erp.dead', state: 'created' }])
})
