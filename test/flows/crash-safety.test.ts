import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { type Db, openDatabase } from '#database/open-database.ts'
import { startWorker as runWorker } from '#deliveries/run-worker.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { installPgBoss } from '#queues/open-boss.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'
import { delivered, giveUp, type Outcome, tryAgain } from '#targets/outcome.ts'

import { behave, callsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { startProxy } from '../support/start-proxy.ts'
import {
  connectionString,
  type OrderwheelProcess,
  startOrderwheel,
} from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { writeConfig } from '../support/write-config.ts'

// Losing a worker takes real time, and more of it on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

// What the README promises of a lost worker.
const elsewhereWithinSeconds = 15

let stack: AsyncDisposableStack
let simulator: Simulator
let shop: TestShop
let config: string

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  simulator = await startSimulator({ port: 0, smtpPort: 0, log: createLog('test', 'silent') })
  stack.defer(() => simulator.stop())
})

afterEach(() => stack.disposeAsync())

/** A shop whose ERP, a target of real worker processes, has these options; a call may take ten minutes. */
async function openShop(options = '') {
  const erp = `http({ url: ${JSON.stringify(`${simulator.url}/erp`)}, timeoutSeconds: 600, ${options} })`
  const written = await writeConfig({ erp })
  stack.defer(() => written.remove())
  config = written.path
  shop = await openTestShop([testTarget('erp', { timeoutSeconds: 600 })])
  stack.defer(() => shop.close())
}

function startWorker(environment: Record<string, string> = {}): OrderwheelProcess {
  const worker = startOrderwheel(['worker'], {
    DATABASE_URL: connectionString(shop.connection),
    ORDERWHEEL_CONFIG: config,
    ...environment,
  })
  // It may be frozen, or in the middle of a call that never ends.
  stack.defer(async () => void (await worker.stop('SIGKILL')))
  return worker
}

async function placeOrders(count: number): Promise<string[]> {
  const placed = await Promise.all(Array.from({ length: count }, () => shop.placeOrder()))
  await shop.relay()
  return placed.map(({ orderId }) => orderId)
}

const erpCalls = () => callsOf(simulator, 'erp')

const called = (times: number) => eventually(async () => (await erpCalls()).length === times)

const allDelivered = (orderIds: string[], withinSeconds = 30) =>
  eventually(
    async () => {
      const { rows } = await sql<{ n: number }>`
        select count(*)::int as n from orderwheel.deliveries
         where order_id = any(${orderIds}::uuid[]) and state = 'delivered'`.execute(shop.db)
      return rows[0]?.n === orderIds.length
    },
    { withinSeconds },
  )

/** What a worker held that was lost is told again elsewhere, in time and with the same keys. */
async function expectElsewhere(lostAt: number, orderIds: string[]) {
  await allDelivered(orderIds)
  const [first = [], second = [], ...more] = Object.values(
    Object.groupBy(await erpCalls(), ({ answered }) => (answered === null ? 'lost' : 'answered')),
  )
  expect(more).toEqual([])
  const keys = (calls: typeof first) =>
    calls.map((call) => `${call.idempotencyKey}`).toSorted((a, b) => a.localeCompare(b))
  expect(keys(second)).toEqual(keys(first))
  expect(new Set(keys(second)).size).toBe(orderIds.length)
  const tooLate = second.filter(
    ({ at }) => Date.parse(at) - lostAt > elsewhereWithinSeconds * 1_000,
  )
  expect(tooLate).toEqual([])
}

const outcomes = async (orderId: string) =>
  (await shop.attempts(orderId)).map(({ outcome }) => outcome)

test('a killed worker: its calls are made elsewhere within 15 s, though it held every slot', async () => {
  await openShop('concurrency: 5')
  await behave(simulator, 'erp', { hang: true })
  const orderIds = await placeOrders(5)
  const killed = startWorker()
  await called(5)
  startWorker()
  await behave(simulator, 'erp', { hang: false, latencyMs: 0 })
  const lostAt = Date.now()
  await killed.stop('SIGKILL')
  await expectElsewhere(lostAt, orderIds)
  for (const orderId of orderIds) {
    expect(await outcomes(orderId)).toEqual(['abandoned', 'delivered'])
  }
})

test('a frozen worker: its calls are made elsewhere, and when it wakes it settles nothing of them', async () => {
  await openShop()
  await behave(simulator, 'erp', { hang: true })
  const orderIds = await placeOrders(5)
  const frozen = startWorker()
  await called(5)
  await behave(simulator, 'erp', { hang: false, latencyMs: 0 })
  const lostAt = Date.now()
  frozen.child.kill('SIGSTOP')
  const other = startWorker()
  await expectElsewhere(lostAt, orderIds)

  frozen.child.kill('SIGCONT')
  // It notices what it lost, ends those calls, and works as before.
  await eventually(async () => (await erpCalls()).every(({ durationMs }) => durationMs !== null))
  await other.stop()
  await allDelivered(await placeOrders(3))
  expect(await erpCalls()).toHaveLength(13)
  for (const orderId of orderIds) {
    expect(await outcomes(orderId)).toEqual(['abandoned', 'delivered'])
  }
  expect(frozen.child.exitCode).toBeNull()
})

test('a worker frozen between taking a delivery and its turn to call does not make the call when it wakes', async () => {
  await openShop('rate: { max: 1, perSeconds: 2 }')
  await behave(simulator, 'erp', { latencyMs: 0 })
  const frozen = startWorker()
  await frozen.said(/worker started/)
  await placeOrders(6)
  // The next has its turn later; the first may be frozen in the very moment in which its request is written.
  await called(1)
  const taken = await eventually(async () => {
    frozen.child.kill('SIGSTOP')
    const waiting = await takenNotCalled()
    if (!waiting) frozen.child.kill('SIGCONT')
    return waiting
  })
  const other = startWorker()
  const ofTaken = async () =>
    (await erpCalls()).filter(({ idempotencyKey }) => idempotencyKey === `erp-${taken}`)
  await eventually(async () => (await ofTaken()).length === 1, { withinSeconds: 40 })
  frozen.child.kill('SIGCONT')
  // Its own turns come one after the other: this one's would have come before those.
  await other.stop()
  await placeOrders(2)
  await eventually(async () => (await undelivered()) === 0, { withinSeconds: 50 })
  expect(await ofTaken()).toHaveLength(1)
})

/** A message whose job a worker has taken without calling the ERP yet. */
async function takenNotCalled(): Promise<string | undefined> {
  // The frozen worker's last statement may still be under way.
  const { rows } = await sql<{ id: string }>`
    select id from pgboss.job where name = 'erp' and state = 'active'`.execute(shop.db)
  const called = async () => (await erpCalls()).map(({ idempotencyKey }) => idempotencyKey)
  // A call it had just sent is still on its way to the simulator: what was asked for later is answered later.
  for (let asked = 0; asked < 10; asked += 1) await called()
  const keys = await called()
  return rows.map(({ id }) => id).find((id) => !keys.includes(`erp-${id}`))
}

async function undelivered(): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from orderwheel.deliveries where state <> 'delivered'`.execute(
    shop.db,
  )
  return rows[0]?.n
}

test('a worker cut off from the database: its calls are made elsewhere, and it ends its own when it is back', async () => {
  await openShop()
  const proxy = await startProxy(shop.connection)
  stack.defer(() => proxy.stop())
  await behave(simulator, 'erp', { hang: true })
  const orderIds = await placeOrders(5)
  const { host, port } = proxy
  const cutOff = startWorker({ DATABASE_URL: connectionString({ ...shop.connection, host, port }) })
  await called(5)
  await behave(simulator, 'erp', { hang: false, latencyMs: 0 })
  const lostAt = Date.now()
  proxy.cut()
  const other = startWorker()
  await expectElsewhere(lostAt, orderIds)

  proxy.heal()
  await eventually(async () => (await erpCalls()).every(({ durationMs }) => durationMs !== null))
  await other.stop()
  await allDelivered(await placeOrders(3), 60)
  expect(await erpCalls()).toHaveLength(13)
  for (const orderId of orderIds) {
    expect(await outcomes(orderId)).toEqual(['abandoned', 'delivered'])
  }
  expect(cutOff.child.exitCode).toBeNull()
})

test('calls that end while the database is away are settled when it is back, and made once', async () => {
  await openShop()
  const proxy = await startProxy(shop.connection)
  stack.defer(() => proxy.stop())
  await behave(simulator, 'erp', { latencyMs: 2_000 })
  const orderIds = await placeOrders(5)
  const { host, port } = proxy
  startWorker({ DATABASE_URL: connectionString({ ...shop.connection, host, port }) })
  await called(5)
  proxy.close()
  await eventually(async () => (await erpCalls()).every(({ answered }) => answered === 201))
  proxy.heal()
  await allDelivered(orderIds)
  for (const orderId of orderIds) expect(await outcomes(orderId)).toEqual(['delivered'])
})

test('workers whose clocks are hours apart: long calls are kept, retries come, a killed one is replaced', async () => {
  await openShop('retry: { delaySeconds: 2 }')
  const ahead = startWorker(await clockShiftedBy(5))
  await ahead.said(/worker started/)
  await behave(simulator, 'erp', { status: 500, latencyMs: 0 })
  const retried = await placeOrders(1)
  await called(1)
  // Longer than it takes until a silent worker's jobs are lost.
  await behave(simulator, 'erp', { status: null, latencyMs: 12_000 })
  startWorker(await clockShiftedBy(-7))
  await allDelivered(retried)
  expect(await outcomes(retried[0] ?? '')).toEqual(['try-again', 'delivered'])
  await behave(simulator, 'erp', { hang: true })
  const held = await placeOrders(1)
  await called(3)
  await behave(simulator, 'erp', { hang: false, latencyMs: 0 })
  // Whoever has it: the other one takes over.
  const { rows } = await sql<{ pid: number }>`
    select split_part(worker, ':', 2)::int as pid from orderwheel.slot_leases
     where slots > 0 order by slots desc limit 1`.execute(shop.db)
  const lostAt = Date.now()
  process.kill(rows[0]?.pid ?? ahead.child.pid ?? 0, 'SIGKILL')
  await allDelivered(held)
  expect(Date.now() - lostAt).toBeLessThan(elsewhereWithinSeconds * 1_000)
})

/** The environment of a process whose wall clock is wrong; its monotonic clock is not. */
async function clockShiftedBy(hours: number): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-clock-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const path = join(folder, 'shift-clock.mjs')
  await writeFile(
    path,
    `const RealDate = Date
     const now = () => RealDate.now() + ${hours * 3_600_000}
     globalThis.Date = class extends RealDate {
       constructor(...args) { super(...(args.length === 0 ? [now()] : args)) }
       static now() { return now() }
     }`,
  )
  return { NODE_OPTIONS: `--import ${path}` }
}

const answers: [string, Outcome][] = [
  ['delivered', delivered()],
  ['try-again', tryAgain('busy')],
  ['give-up', giveUp('no such article')],
]

test.for(answers)(
  'a settlement whose commit went through without an answer is repeated without harm: %s',
  async ([outcome, answer]) => {
    await openShop()
    const proxy = await startProxy(shop.connection)
    stack.defer(() => proxy.stop())
    const { host, port } = proxy
    const throughProxy = openDatabase({
      connection: { ...shop.connection, host, port },
      applicationName: 'orderwheel-test-proxy',
      maxConnections: 5,
      onConnectionLost: () => {},
    })
    stack.defer(() => throughProxy.close())
    const [orderId = ''] = await placeOrders(1)
    let lost: Promise<void> | undefined
    let calls = 0
    const erp = testTarget('erp', {
      circuit: null,
      call: async () => {
        calls += 1
        lost = proxy.loseAnswerOfCommit('delivery_attempts')
        return answer
      },
    })
    const errors: string[] = []
    const log = createLog('test', 'error', { write: (line) => errors.push(line) })
    const { boss } = shop
    const quiet = { jobsAdded: () => {}, targetChanged: () => {} }
    const worker = runWorker({ db: throughProxy.db, boss, log, targets: [erp], ...quiet })
    stack.defer(() => worker.stop())
    await eventually(() => calls === 1)
    await lost
    await worker.drained(AbortSignal.timeout(20_000))
    expect(calls).toBe(1)
    expect(await outcomes(orderId)).toEqual([outcome])
    expect(errors).toEqual([])
  },
)

test('PostgreSQL is killed while hundreds of calls are under way: each order is told once and none is lost', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-killed-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const dataDirectory = join(folder, 'postgres')
  let server = await startEmbeddedPostgres({ dataDirectory })
  stack.defer(() => server.stop())
  const { connection } = server
  await migrateDatabase(connection, createLog('test', 'silent'))
  const database = openDatabase({
    connection,
    applicationName: 'orderwheel-test',
    maxConnections: 5,
    onConnectionLost: () => {},
  })
  stack.defer(() => database.close())
  const { db, pool } = database
  await installPgBoss(pool)
  await behave(simulator, 'erp', { latencyMs: 2_000, jitterMs: 500 })
  const erp = `http({ url: ${JSON.stringify(`${simulator.url}/erp`)}, concurrency: 100 })`
  const written = await writeConfig({ erp })
  stack.defer(() => written.remove())
  const environment = {
    DATABASE_URL: server.connectionString,
    ORDERWHEEL_CONFIG: written.path,
    // Its own pool is the measure, not how long a machine with two cores takes to fill it.
    DATABASE_POOL_SIZE: '4',
  }
  for (const name of ['relay', 'worker', 'worker']) {
    const part = startOrderwheel([name], environment)
    stack.defer(async () => void (await part.stop('SIGKILL')))
    await part.said(/started/)
  }
  const orders = 600
  await insertOrders(db, orders)
  for (const signal of ['SIGKILL', 'SIGQUIT'] as const) {
    const before = (await erpCalls()).length
    await eventually(async () => (await erpCalls()).length > before + 150, { withinSeconds: 40 })
    process.kill(await postmasterPid(db), signal)
    await server.ended
    // What is under way ends while nothing can be written down.
    await eventually(async () => (await erpCalls()).every(({ answered }) => answered === 201))
    server = await eventually(() => startEmbeddedPostgres({ dataDirectory, port: server.port }))
  }
  await eventually(async () => (await countDeliveries(db, 'delivered')) === orders, {
    withinSeconds: 60,
  })
  const keys = new Set((await erpCalls()).map(({ idempotencyKey }) => idempotencyKey))
  expect(keys.size).toBe(orders)
  expect(await erpCalls()).toHaveLength(orders)
  const { rows } = await sql`
      select outcome, count(*)::int as n from orderwheel.delivery_attempts group by 1`.execute(db)
  expect(rows).toEqual([{ outcome: 'delivered', n: orders }])
})

async function insertOrders(db: Db, count: number): Promise<void> {
  await sql`
    with placed as (
      insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
      select 'WEB-' || n, ${randomUUID()}, n, sha256(n::text::bytea), ${JSON.stringify(exampleOrder('WEB-1'))}
        from generate_series(1, ${count}::int) n
      returning id
    )
    insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed`.execute(
    db,
  )
}

async function postmasterPid(db: Db): Promise<number> {
  const { rows } = await sql<{ pid: number }>`
    select split_part(pg_read_file('postmaster.pid'), e'\n', 1)::int as pid`.execute(db)
  return rows[0]?.pid ?? 0
}

async function countDeliveries(db: Db, state: string): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from orderwheel.deliveries where state = ${state}`.execute(db)
  return rows[0]?.n
}
