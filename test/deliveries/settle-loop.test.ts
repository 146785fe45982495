import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

async function silentForSeconds(): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select extract(epoch from clock_timestamp() - heartbeat_on)::float8 as seconds
      from pgboss.job where name = 'erp' and state = 'active'`.execute(shop.db)
  return rows[0]?.seconds ?? Infinity
}

test('a worker that cannot settle, because somebody has the row locked, does not look lost: nothing is told twice', async () => {
  let calls = 0
  shop = await openTestShop([
    testTarget('erp', {
      call: async () => {
        calls += 1
        return { kind: 'delivered' }
      },
    }),
  ])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await shop.db.transaction().execute(async (tx) => {
    await sql`select from orderwheel.deliveries for update`.execute(tx)
    const worker = shop.startWorker()
    await eventually(() => calls === 1)
    // Its transaction has the job locked, so that no heartbeat comes through; then it gives way to one.
    await eventually(async () => (await silentForSeconds()) > 3)
    await eventually(async () => (await silentForSeconds()) < 2)
    worker.refresh()
  })
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'delivered')
  expect(calls).toBe(1)
  expect((await shop.attempts(orderId)).map(({ outcome }) => outcome)).toEqual(['delivered'])
})
