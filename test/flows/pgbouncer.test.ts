import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { openDatabase } from '#database/open-database.ts'
import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { simulatedVariables } from '#processes/simulated-variables.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'

import { behave, callsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import {
  findPgBouncer,
  startPgBouncer,
  tracksStatements,
  type PgBouncerOptions,
} from '../support/start-pgbouncer.ts'
import {
  connectionString,
  startOrderwheel,
  type OrderwheelProcess,
} from '../support/start-process.ts'
import { demoTargets } from '../support/demo-targets.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

const installed = findPgBouncer()

let simulator: Simulator
let database: TestDatabase
let bouncer: Awaited<ReturnType<typeof startPgBouncer>> | undefined
let running: OrderwheelProcess[]

describe.skipIf(!installed)('behind PgBouncer in transaction mode (if one is installed)', () => {
  beforeEach(async () => {
    running = []
    simulator = await startSimulator({
      port: 0,
      smtpPort: 0,
      speed: 100,
      log: createLog('test', 'silent'),
    })
    database = await testDatabase()
    await storeDevelopmentKeys(database.db)
  })
  afterEach(async () => {
    await Promise.all(running.map((process) => process.stop()))
    await bouncer?.stop()
    bouncer = undefined
    await simulator.stop()
    await database.close()
  })

  // 1.21 to 1.23 track none by default, later ones 200, older ones cannot.
  const tracked = (installed?.version ?? 0) < tracksStatements ? [undefined] : [0, 200]
  test.each(tracked)(
    'orders are taken and delivered, woken past it by DIRECT_DATABASE_URL (max_prepared_statements %s)',
    async (maxPreparedStatements) => {
      await startBouncer(maxPreparedStatements === undefined ? {} : { maxPreparedStatements })
      const url = await startApi('all', direct())
      await eventually(async () => (await listeners()).length === 2)

      await placeOrders(url, 60)

      await untilAllAreDelivered(60)
      expect(running[0]?.output()).not.toMatch(/"level":"(warn|error)"/)
      expect(await sharedSessions()).toBeLessThanOrEqual(2)
    },
  )

  test('without DIRECT_DATABASE_URL orders are delivered all the same, by polling', async () => {
    await startBouncer()
    const url = await startApi('all')
    await running[0]?.said(/"process":"worker".*"msg":"no listening through a pooler/)

    await placeOrders(url, 20)

    await untilAllAreDelivered(20)
    expect(await listeners()).toEqual([])
    expect(running[0]?.output()).not.toMatch(/"level":"(warn|error)"/)
  })

  test('migrating through it is refused, saying what to set, and leaves no lock behind', async () => {
    await startBouncer()

    const refused = start('migrate')
    expect(await refused.ended).toBe(1)
    expect(refused.output()).toMatch(/^Migrations need the server itself, .*DIRECT_DATABASE_URL/)

    expect(await start('migrate', direct()).ended).toBe(0)
    expect(await start('migrate --status').ended).toBe(0)
  })

  test('the sessions it shares keep their settings, and a statement with a name needs no session of its own', async () => {
    await startBouncer()
    const { host = '', port = 0 } = bouncer ?? {}
    await using stack = new AsyncDisposableStack()
    const open = () =>
      openDatabase({
        connection: { ...database.connection, host, port },
        applicationName: 'orderwheel-test',
        maxConnections: 4,
        onConnectionLost: () => {},
      })
    const [one, other] = [open(), open()]
    for (const shared of [one, other]) stack.defer(() => shared.close())
    const named = { name: 'limit', text: `select current_setting('statement_timeout') as limit` }

    const limits = await Promise.all(
      Array.from({ length: 40 }, (_, n) => (n % 2 ? one : other).pool.query(named)),
    )

    expect(new Set(limits.map(({ rows }) => rows[0].limit))).toEqual(new Set(['0']))
  })

  test(
    'a worker killed while orders flow: the others deliver what it had',
    { timeout: 120_000 },
    async () => {
      await startBouncer()
      await behave(simulator, 'erp', { latencyMs: 300 })
      const url = await startApi('api', direct())
      start('relay', direct())
      const workers = [start('worker', direct()), start('worker', direct())]
      await Promise.all(workers.map((worker) => worker.said(/worker started/)))
      const placing = placeOrders(url, 100)
      // Whoever has slots: one of them may be given none before the other has told everybody.
      const busy = workers.map(async (worker) => {
        await worker.said(/"target":"erp".*"msg":"delivered"/)
        return worker
      })
      const killed = await Promise.race(busy)

      await killed.stop('SIGKILL')

      await placing
      await untilAllAreDelivered(100)
      const [other] = workers.filter((worker) => worker !== killed)
      expect(other?.child.exitCode).toBeNull()
    },
  )

  test(
    'PgBouncer is killed and started again while orders flow: nothing is lost',
    { timeout: 120_000 },
    async () => {
      await startBouncer()
      await behave(simulator, 'erp', { latencyMs: 300 })
      const url = await startApi('api', direct())
      const others = [
        start('relay', direct()),
        start('relay', direct()),
        start('worker', direct()),
        start('worker', direct()),
      ]
      await Promise.all(others.map((process) => process.said(/(relay|worker) started/)))
      const placing = placeOrders(url, 120)
      for (const share of [30, 70]) {
        await eventually(async () => (await orders()) >= share)
        await bouncer?.restart()
      }

      await placing
      await untilAllAreDelivered(120)
      for (const process of running) expect(process.child.exitCode).toBeNull()
    },
  )
})

async function startBouncer(options: Partial<PgBouncerOptions> = {}): Promise<void> {
  const { host, port, user, password } = database.connection
  bouncer = await startPgBouncer({
    server: { host, port, user, password },
    poolSize: 2,
    ...options,
  })
}

function direct(): Record<string, string> {
  return { DIRECT_DATABASE_URL: connectionString(database.connection) }
}

function start(command: string, environment: Record<string, string> = {}): OrderwheelProcess {
  const { host, port } = bouncer ?? database.connection
  const process = startOrderwheel(command.split(' '), {
    ...simulatedVariables(simulator),
    DATABASE_URL: connectionString({ ...database.connection, host, port }),
    PORT: '0',
    ...environment,
  })
  running.push(process)
  return process
}

/** Answers the URL. */
async function startApi(command: 'api' | 'all', environment?: Record<string, string>) {
  const [, url = ''] = await start(command, environment).said(/listening at (http:[^"]+)/)
  return url
}

/** Four storefronts at a time, each repeating an order with the same key until it has an answer. */
async function placeOrders(url: string, count: number): Promise<void> {
  const storefronts = Array.from({ length: 4 }, async (_, storefront) => {
    for (let n = storefront; n < count; n += 4) await placeOrder(url, `WEB-${n}`)
  })
  await Promise.all(storefronts)
}

async function placeOrder(url: string, externalId: string): Promise<void> {
  await eventually(async () => {
    const answer = await fetch(`${url}/orders`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer ow_dev_storefront',
        'idempotency-key': externalId,
        'content-type': 'application/json',
      },
      body: JSON.stringify(exampleOrder(externalId)),
    })
    return answer.status === 202
  })
}

/** Every order delivered to every target, and the ERP told of each. */
async function untilAllAreDelivered(count: number): Promise<void> {
  await eventually(
    async () => {
      expect(await deliveries()).toEqual(
        demoTargets.map((target) => `${target} delivered ${count}`),
      )
      return true
    },
    { withinSeconds: 90 },
  )
  const told = (await callsOf(simulator, 'erp')).map(({ idempotencyKey }) => idempotencyKey)
  expect(new Set(told).size).toBe(count)
}

async function deliveries(): Promise<string[]> {
  const { rows } = await ask<{ line: string }>(
    `select concat_ws(' ', target, state, count(*)) as line
       from orderwheel.deliveries group by target, state order by line`,
  )
  return rows.map(({ line }) => line)
}

async function orders(): Promise<number> {
  const { rows } = await ask<{ n: number }>('select count(*)::int as n from orderwheel.orders')
  return rows[0]?.n ?? 0
}

/** Sessions that have a listener's name, on the server. */
async function listeners(): Promise<string[]> {
  const { rows } = await ask<{ name: string }>(
    `select application_name as name from pg_stat_activity
      where datname = current_database() and query like 'listen %'`,
  )
  return rows.map(({ name }) => name)
}

async function sharedSessions(): Promise<number> {
  const { rows } = await ask<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name ~ '^orderwheel-(api|relay|worker)$'`,
  )
  return rows[0]?.n ?? 0
}

function ask<Row extends pg.QueryResultRow>(text: string) {
  return database.pool.query<Row>(text)
}
