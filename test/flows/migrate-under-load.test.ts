import { hash, randomUUID } from 'node:crypto'

import { sql } from 'kysely'
import { expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase, readMigrations } from '#database/migrate.ts'
import { openDatabase } from '#database/open-database.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { insertOrders } from '#orders/insert-orders.ts'
import { installPgBoss } from '#queues/open-boss.ts'
import { readPartitions } from '#upkeep/read-partitions.ts'

import { testDatabase } from '../support/test-database.ts'
import { openTestShop, testTarget } from '../support/test-shop.ts'

const log = createLog('test', 'silent')
// Large enough that a migration which read or wrote it under a lock would be noticed by the buyers.
const history = 100_000

test('migrations are applied while orders come in: no buyer waits for a second, and nothing is lost', async () => {
  await using stack = new AsyncDisposableStack()
  const database = await testDatabase({ template: 'template0' })
  stack.defer(() => database.close())
  const migrations = await readMigrations()
  const first = migrations.filter(({ name }) => name < '0003')
  await migrateDatabase(database.connection, log, { migrations: first })
  await installPgBoss(database.pool)
  await sql.raw(fillHistory).execute(database.db)
  const buyers = await startBuyers(database.connection, stack)

  const applied = await migrateDatabase(database.connection, log)
  const placed = await buyers.stop()

  expect(applied).toEqual(migrations.map(({ name }) => name).filter((name) => name >= '0003'))
  expect(placed.failures).toEqual([])
  expect(placed.orders).toBeGreaterThan(100)

  const shop = await openTestShop([testTarget('erp')], undefined, {
    ...database,
    close: async () => {},
  })
  stack.defer(() => shop.close())
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(60_000))
  const { rows } = await sql<{ delivered: number; history: number }>`
    select count(*) filter (where d.settled_at > now() - interval '1 hour')::int as delivered,
           count(*) filter (where d.settled_at < now() - interval '1 hour')::int as history
      from orderwheel.orders o join orderwheel.deliveries d on d.order_id = o.id
     where d.state = 'delivered'`.execute(database.db)
  expect(rows).toEqual([{ delivered: placed.orders, history }])
  expect(new Set((await readPartitions(database.db)).map(({ table }) => table)).size).toBe(3)
})

const fillHistory = `
  insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
  select uuidv7('-40 days'), 'OLD-' || n, uuidv7(), 'OLD-' || n, sha256(''), '{}', now() - interval '40 days'
    from generate_series(1, ${history}) n;
  insert into orderwheel.messages (id, position, order_id, kind, payload, created_at)
  select uuidv7('-40 days'), -row_number() over (), id, 'order.placed', '{}', now() - interval '40 days'
    from orderwheel.orders;
  insert into orderwheel.deliveries (message_id, target, position, order_id, state, attempts, settled_at)
  select id, 'erp', position, order_id, 'delivered', 1, now() - interval '40 days' from orderwheel.messages;
  insert into orderwheel.delivery_attempts (message_id, target, number, started_at, outcome, worker)
  select message_id, target, 1, now() - interval '40 days', 'delivered', 'old' from orderwheel.deliveries;`

/** Four buyers, each with the next order as soon as the last one is stored, who wait no longer than a second for a lock. */
async function startBuyers(
  connection: Parameters<typeof openDatabase>[0]['connection'],
  stack: AsyncDisposableStack,
) {
  const database = openDatabase({
    connection,
    applicationName: 'orderwheel-api',
    maxConnections: 4,
    lockTimeoutMs: 1_000,
    onConnectionLost: () => {},
  })
  stack.defer(() => database.close())
  const placed = { orders: 0, failures: [] as unknown[] }
  let stopped = false
  const buy = async () => {
    while (!stopped) {
      try {
        const stored = await insertOrders(database.pool, [newOrder()], 10_000)
        placed.orders += stored.length
      } catch (error) {
        placed.failures.push(error)
      }
    }
  }
  const buying = Promise.all([buy(), buy(), buy(), buy()])
  return {
    async stop() {
      stopped = true
      await buying
      return placed
    },
  }
}

function newOrder() {
  const externalId = `WEB-${randomUUID()}`
  return {
    apiKeyId: '00000000-0000-0000-0000-000000000001',
    idempotencyKey: externalId,
    fingerprint: hash('sha256', externalId, 'hex'),
    externalId,
    document: JSON.stringify(exampleOrder(externalId)),
  }
}
