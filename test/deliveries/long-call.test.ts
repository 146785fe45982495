import { PgBoss } from 'pg-boss'
import { expect, test } from 'vitest'

import { rescueLost } from '#deliveries/rescue-lost.ts'
import { delivered } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

test('a call of eight minutes keeps its job, while a silent worker’s is taken back', async () => {
  await using stack = new AsyncDisposableStack()
  const answer = Promise.withResolvers<void>()
  let calls = 0
  const shop = await openTestShop([
    testTarget('erp', {
      timeoutSeconds: 600,
      async call() {
        calls += 1
        await answer.promise
        return delivered()
      },
    }),
    testTarget('stock', { timeoutSeconds: 600 }),
  ])
  stack.defer(() => shop.close())
  stack.defer(() => answer.resolve())
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  // Nobody says that this one is still being worked on.
  await shop.boss.fetch('stock')
  shop.startWorker({ only: ['erp'] })
  await eventually(() => calls === 1)

  await letMinutesPass(shop, 8)
  const begun = await heartbeat(shop)
  await eventually(async () => (await heartbeat(shop)) > begun)

  expect([...(await rescueLost(shop.db, shop.boss, ['erp', 'stock'])).keys()]).toEqual(['stock'])
  await superviseQueue(shop, 'erp')
  expect(await job(shop)).toEqual({ state: 'active', attempts: 1 })

  answer.resolve()
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'delivered')
  expect(calls).toBe(1)
})

test('pg-boss’s own monitor takes back what ran for more than a day', async () => {
  const shop = await openTestShop([testTarget('erp', { timeoutSeconds: 400 })])
  try {
    await shop.placeOrder()
    await shop.relay()
    await shop.boss.fetch('erp')

    await letMinutesPass(shop, 24 * 60)
    await superviseQueue(shop, 'erp')

    expect((await job(shop)).state).toBe('retry')
  } finally {
    await shop.close()
  }
})

/** As if every call had begun that much earlier; the ERP's worker has beaten since, the other one has not. */
async function letMinutesPass(shop: TestShop, minutes: number): Promise<void> {
  await shop.pool.query(
    `update pgboss.job
        set started_on = started_on - make_interval(mins => $1),
            heartbeat_on = case name when 'stock' then heartbeat_on - make_interval(mins => $1) else heartbeat_on end
      where state = 'active'`,
    [minutes],
  )
}

async function heartbeat(shop: TestShop): Promise<number> {
  const { rows } = await shop.pool.query<{ at: Date }>(
    `select heartbeat_on as at from pgboss.job where name = 'erp'`,
  )
  return rows[0]?.at.getTime() ?? 0
}

async function job(shop: TestShop) {
  const { rows } = await shop.pool.query<{ state: string; attempts: number }>(
    `select state, retry_count + 1 as attempts from pgboss.job where name = 'erp'`,
  )
  return rows[0] ?? { state: 'gone', attempts: 0 }
}

/** What pg-boss does once a minute in a worker. */
async function superviseQueue({ pool }: TestShop, queue: string): Promise<void> {
  const db = { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) }
  const boss = new PgBoss({ db, migrate: false, schedule: false, supervise: false })
  await boss.start()
  await boss.supervise(queue)
  await boss.stop({ graceful: false })
}
