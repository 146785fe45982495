import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { openDatabase } from '#database/open-database.ts'
import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { startWorker } from '#deliveries/run-worker.ts'
import { delivered } from '#targets/outcome.ts'

import { startProxy } from '../support/start-proxy.ts'
import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let stack: AsyncDisposableStack
let shop: TestShop

beforeEach(() => {
  stack = new AsyncDisposableStack()
})
afterEach(() => stack.disposeAsync())

async function openShop() {
  const called: string[] = []
  const letters = testTarget('letters', {
    idempotent: false,
    call: async ({ message }) => {
      called.push(message.id)
      return delivered()
    },
  })
  shop = await openTestShop([letters])
  stack.defer(() => shop.close())
  return { called, letters }
}

/** A way to the shop's database that can be cut. */
async function openProxy() {
  const proxy = await startProxy(shop.connection)
  stack.defer(() => proxy.stop())
  const { db, close } = openThrough(proxy)
  stack.defer(close)
  return { proxy, db }
}

function openThrough({ host, port }: { host: string; port: number }) {
  const database = openDatabase({
    connection: { ...shop.connection, host, port },
    applicationName: 'orderwheel-test-proxy',
    maxConnections: 5,
    onConnectionLost: () => {},
  })
  return { db: database.db, close: () => database.close() }
}

async function placeOrders(count: number): Promise<string[]> {
  const placed = await Promise.all(Array.from({ length: count }, () => shop.placeOrder()))
  await shop.relay()
  return placed.map(({ orderId }) => orderId)
}

test('a claim whose commit went through without an answer is kept: each is called, once, and none is uncertain', async () => {
  const { called, letters } = await openShop()
  const { proxy, db } = await openProxy()
  const orderIds = await placeOrders(5)
  const lost = proxy.loseAnswerOfCommit('from orderwheel.messages where')
  const { boss } = shop
  const log = createLog('test', 'silent')
  const quiet = { jobsAdded: () => {}, targetChanged: () => {} }
  const worker = startWorker({ db, boss, log, targets: [letters], ...quiet })
  stack.defer(() => worker.stop())
  await lost
  await eventually(() => called.length === 5)
  await worker.drained(AbortSignal.timeout(20_000))
  for (const orderId of orderIds) {
    expect((await shop.attempts(orderId)).map(({ outcome }) => outcome)).toEqual(['delivered'])
  }
})

test('a claim that was rolled back holds nothing', async () => {
  await openShop()
  const { proxy, db } = await openProxy()
  await placeOrders(1)
  await shop.db.transaction().execute(async (tx) => {
    await sql`lock table orderwheel.messages in access exclusive mode`.execute(tx)
    const claiming = claimDeliveries({ db, boss: shop.boss }, { queue: 'letters', count: 1 })
    await eventually(async () => (await waitingForLocks()) === 1)
    proxy.close()
    await expect(claiming).rejects.toThrow(/onnection/)
    proxy.heal()
  })
  await eventually(
    async () =>
      (await claimDeliveries({ db, boss: shop.boss }, { queue: 'letters', count: 1 })).length === 1,
  )
})

test('two workers never claim the same delivery', async () => {
  await openShop()
  await placeOrders(60)
  const { db, boss } = shop
  const claims = Array.from({ length: 12 }, () =>
    claimDeliveries({ db, boss }, { queue: 'letters', count: 5 }),
  )
  const claimed = (await Promise.all(claims)).flat().map(({ messageId }) => messageId)
  expect(new Set(claimed).size).toBe(claimed.length)
  expect(claimed.length).toBeGreaterThan(0)
})

async function waitingForLocks(): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`.execute(shop.db)
  return rows[0]?.n
}
