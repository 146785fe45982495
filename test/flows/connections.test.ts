import { sql } from 'kysely'
import { expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { startSimulator } from '#simulator/start-simulator.ts'

import { behave, callsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { writeConfig } from '../support/write-config.ts'

const poolSize = 4
const calls = 500

test('a worker with 500 calls in flight uses no more than its small pool, and no transaction meanwhile', async () => {
  await using stack = new AsyncDisposableStack()
  const log = createLog('test', 'silent')
  const simulator = await startSimulator({ port: 0, smtpPort: 0, log })
  stack.defer(() => simulator.stop())
  const erp = `http({ url: ${JSON.stringify(`${simulator.url}/erp`)}, timeoutSeconds: 600, concurrency: ${calls} })`
  const config = await writeConfig({ erp })
  stack.defer(() => config.remove())
  const shop = await openTestShop([testTarget('erp')])
  stack.defer(() => shop.close())
  await behave(simulator, 'erp', { hang: true })
  for (let n = 0; n < calls; n += 10)
    await Promise.all(Array.from({ length: 10 }, () => shop.placeOrder()))
  await shop.relay()

  const worker = startOrderwheel(['worker'], {
    DATABASE_URL: connectionString(shop.connection),
    ORDERWHEEL_CONFIG: config.path,
    DATABASE_POOL_SIZE: `${poolSize}`,
  })
  stack.defer(async () => void (await worker.stop('SIGKILL')))
  const most: Sessions = { connections: 0, transactionSeconds: 0 }
  const watch = async () => {
    const now = await sessions(shop)
    most.connections = Math.max(most.connections, now.connections)
    most.transactionSeconds = Math.max(most.transactionSeconds, now.transactionSeconds)
  }
  await eventually(async () => {
    await watch()
    return (await callsOf(simulator, 'erp')).length === calls
  })
  // Until every one of them is marked and has had a heartbeat.
  await eventually(async () => {
    await watch()
    return (await heldAndAlive(shop)) === calls
  })
  // One more listens for notifications.
  expect(most.connections).toBeLessThanOrEqual(poolSize + 1)
  // Claiming 500 on a busy machine; the calls lasted longer.
  expect(most.transactionSeconds).toBeLessThan(4)
  expect((await callsOf(simulator, 'erp')).every(({ durationMs }) => durationMs === null)).toBe(
    true,
  )
})

type Sessions = { connections: number; transactionSeconds: number }

/** The worker's sessions, and how long the longest of their transactions has been open. */
async function sessions({ db }: TestShop): Promise<Sessions> {
  const { rows } = await sql<Sessions>`
    select count(*)::int as connections,
           coalesce(extract(epoch from max(clock_timestamp() - xact_start)), 0)::float8 as "transactionSeconds"
      from pg_stat_activity
     where datname = current_database() and application_name like 'orderwheel-worker%'`.execute(db)
  return rows[0] ?? { connections: 0, transactionSeconds: 0 }
}

async function heldAndAlive({ db }: TestShop): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n
      from pgboss.job j join orderwheel.deliveries d on d.message_id = j.id
     where j.state = 'active' and d.state = 'active' and j.heartbeat_on > j.started_on + interval '5 s'`.execute(
    db,
  )
  return rows[0]?.n
}
