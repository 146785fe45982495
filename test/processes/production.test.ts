import { afterEach, beforeEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { simulatedVariables } from '#processes/simulated-variables.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'
import { readLastVerification } from '#verify/read-verification.ts'

import { eventually } from '../support/eventually.ts'
import {
  connectionString,
  startOrderwheel,
  type OrderwheelProcess,
} from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let simulator: Simulator
let database: TestDatabase
let running: OrderwheelProcess[]

beforeEach(async () => {
  simulator = await startSimulator({
    port: 0,
    smtpPort: 0,
    speed: 100,
    log: createLog('test', 'silent'),
  })
  running = []
})
afterEach(async () => {
  await Promise.all(running.map((process) => process.stop()))
  await database.close()
  await simulator.stop()
})

test('processes that start before the migration wait for it, saying why, and then take orders', async () => {
  database = await testDatabase({ template: 'template0' })
  const all = start(['all'])
  const [, url = ''] = await all.said(/listening at (http:[^"]+)/i)
  await all.said(/Waiting for migration \d{4}-[^"]+: run \\"orderwheel migrate\\"/)
  const early = await fetch(`${url}/readyz`)
  expect(early.status).toBe(503)
  expect(await early.text()).toContain('orderwheel migrate')

  expect(await start(['migrate']).ended).toBe(0)

  await eventually(async () => (await fetch(`${url}/readyz`)).ok)
  await storeDevelopmentKeys(database.db)
  await post(url, 'WEB-1')
  await eventually(async () => (await stateOf(url, 'WEB-1')) === 'completed')
  expect(await all.stop('SIGTERM')).toBe(0)
})

test('relay and worker can process what is there and end, for deployments that only have cron', async () => {
  database = await testDatabase()
  await storeDevelopmentKeys(database.db)
  const api = start(['api'])
  const [, url = ''] = await api.said(/listening at (http:[^"]+)/i)
  await post(url, 'WEB-1')

  const relay = start(['relay', '--drain'])
  expect(await relay.ended).toBe(0)
  expect(relay.output()).toContain('"messages":1,"msg":"drained"')
  expect(await stateOf(url, 'WEB-1')).toBe('processing')
  const worker = start(['worker', '--drain', '--max-seconds', '60'])
  expect(await worker.ended).toBe(0)
  expect(worker.output()).toContain('"msg":"drained"')

  expect(await stateOf(url, 'WEB-1')).toBe('completed')
})

test.each(['relay', 'worker'])(
  'a %s that is to process what is there says so when the database stays away for all of its time',
  async (command) => {
    database = await testDatabase()
    const gone = { DATABASE_URL: 'postgresql://shop:secret@127.0.0.1:1/shop' }
    const process = start([command, '--drain', '--max-seconds', '1'], gone)

    expect(await process.ended).toBe(1)
    expect(process.output()).toContain('Waiting for PostgreSQL: connect ECONNREFUSED')
    expect(process.output()).toMatch(/^The time given with --max-seconds is over, .*\n$/m)
    expect(process.output()).not.toContain('    at ')
  },
)

test('a relay that loses the database while it processes what is there goes on when it is back', async () => {
  database = await testDatabase()
  const lock = await database.pool.connect()
  try {
    await lock.query('begin; lock table orderwheel.outbox in access exclusive mode')
    const relay = start(['relay', '--drain', '--max-seconds', '60'])
    await eventually(async () => {
      const ended = await database.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'orderwheel-relay' and wait_event_type = 'Lock'
              and datname = current_database()`,
      )
      return ended.rowCount
    })
    await relay.said(/relay failed, trying again/)
    await lock.query('rollback')

    expect(await relay.ended).toBe(0)
    expect(relay.output()).toContain('"msg":"drained"')
  } finally {
    lock.release(true)
  }
})

test.each(['relay', 'all', 'dev'])('%s verifies by itself', async (command) => {
  database = await testDatabase()
  start([command], { ORDERWHEEL_SIMULATOR_PORT: '0', ORDERWHEEL_SMTP_PORT: '0' })
  const last = await eventually(() => readLastVerification(database.db))
  expect(last).toMatchObject({ lost: 0, full: true, requestedBy: expect.stringMatching(/^relay /) })
})

test('the api says once where it listens', async () => {
  database = await testDatabase()
  const api = start(['api'])
  await api.said(/listening at (http:[^"]+)/i)
  expect(await api.stop()).toBe(0)

  expect(api.output().match(/listening/gi)).toHaveLength(1)
})

test('a worker calls only the targets it was given', async () => {
  database = await testDatabase()
  await storeDevelopmentKeys(database.db)
  const api = start(['api'])
  const [, url = ''] = await api.said(/listening at (http:[^"]+)/i)
  await post(url, 'WEB-1')
  expect(await start(['relay', '--drain']).ended).toBe(0)

  const some = ['--target', 'erp', '--target', 'analytics']
  expect(await start(['worker', '--drain', ...some]).ended).toBe(0)

  expect(await deliveries()).toEqual([
    'analytics delivered',
    'audit queued',
    'confirmation-email waiting',
    'crm queued',
    'erp delivered',
    'inventory-asia queued',
    'inventory-eu queued',
    'inventory-us queued',
    'partner-webhook queued',
    'push queued',
    'receipt queued',
    'shipping queued',
    'sms waiting',
  ])
  const misspelt = start(['worker', '--target', 'epr'])
  expect(await misspelt.ended).toBe(2)
  expect(misspelt.output()).toContain('no target "epr" in the configuration; did you mean erp?')
})

test('a relay that was given a time ends by itself', async () => {
  database = await testDatabase()

  expect(await start(['relay', '--max-seconds', '1']).ended).toBe(0)
})

function start(args: string[], environment: Record<string, string> = {}): OrderwheelProcess {
  const process = startOrderwheel(args, {
    ...simulatedVariables(simulator),
    DATABASE_URL: connectionString(database.connection),
    PORT: '0',
    ...environment,
  })
  running.push(process)
  return process
}

const headers = { authorization: 'Bearer ow_dev_storefront', 'content-type': 'application/json' }

async function post(url: string, externalId: string): Promise<void> {
  const answer = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: { ...headers, 'idempotency-key': externalId },
    body: JSON.stringify(exampleOrder(externalId)),
  })
  expect(answer.status).toBe(202)
}

async function stateOf(url: string, externalId: string): Promise<string> {
  const answer = await fetch(`${url}/orders?externalId=${externalId}`, { headers })
  return ((await answer.json()) as { state: string }).state
}

async function deliveries(): Promise<string[]> {
  const rows = await database.db
    .selectFrom('orderwheel.deliveries')
    .select(['target', 'state'])
    .orderBy('target')
    .execute()
  return rows.map(({ target, state }) => `${target} ${state}`)
}
