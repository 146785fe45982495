import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { eventually } from '../support/eventually.ts'
import {
  connectionString,
  type OrderwheelProcess,
  startOrderwheel,
} from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

// A worker that died is missed after ten seconds, three times, and then innocent orders are called one by one.
vi.setConfig({ testTimeout: 240_000 })

let stack: AsyncDisposableStack
let shop: TestShop
let folder: string

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  folder = await mkdtemp(join(tmpdir(), 'orderwheel-poison-'))
  stack.defer(() => rm(folder, { recursive: true }))
  shop = await openTestShop([testTarget('erp', { concurrency: 100 })])
  stack.defer(() => shop.close())
})

afterEach(() => stack.disposeAsync())

const begunFile = () => join(folder, 'begun')

/** How often the poison was called. */
const calls = async () => (await readFile(begunFile(), 'utf8').catch(() => '')).length

/** A worker whose target does this with one order; restarted whenever it ends, as a platform does. */
async function superviseWorker(
  poisonId: string,
  whatItDoes: string,
  more: Record<string, string> = {},
) {
  const path = join(folder, 'orderwheel.config.ts')
  await writeFile(
    path,
    `
import { appendFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { custom, defineConfig } from 'orderwheel'

const tell = async ({ order }) => {
  if (order.id !== '${poisonId}') return void (await setTimeout(300))
  await setTimeout(100)
  appendFileSync(${JSON.stringify(begunFile())}, '.')
  ${whatItDoes}
}
export default defineConfig({
  targets: { erp: custom(tell, { concurrency: 100 }) },
  routes: { 'order.placed': ['erp'] },
})
`,
  )
  let stopped = false
  let worker: OrderwheelProcess
  const start = () => {
    worker = startOrderwheel(['worker'], {
      DATABASE_URL: connectionString(shop.connection),
      ORDERWHEEL_CONFIG: path,
      ...more,
    })
    void worker.ended.then(() => (stopped ? undefined : start()))
  }
  start()
  stack.defer(async () => {
    stopped = true
    await worker.stop('SIGKILL')
  })
  return { kill: () => worker.stop('SIGKILL') }
}

async function placeOrders(count: number): Promise<string[]> {
  const placed = await Promise.all(Array.from({ length: count }, () => shop.placeOrder()))
  await shop.relay()
  return placed.map(({ orderId }) => orderId)
}

async function states(): Promise<Record<string, number>> {
  const { rows } = await sql<{ state: string; n: number }>`
    select state, count(*)::int as n from orderwheel.deliveries group by state`.execute(shop.db)
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]))
}

/** What became of the poison and of the innocent orders, and how often the poison was called. */
async function outcomeOf(poison: string, innocents: number) {
  await eventually(
    async () => {
      const now = await states()
      return now['dead'] === 1 && now['delivered'] === innocents
    },
    { withinSeconds: 200 },
  )
  const letter = await shop.db
    .selectFrom('orderwheel.dead_letters')
    .select(['order_id', 'reason', 'attempts'])
    .executeTakeFirstOrThrow()
  const attempts = (letter.attempts as { outcome: string }[]).map(({ outcome }) => outcome)
  return { isIt: letter.order_id === poison, reason: letter.reason, attempts, calls: await calls() }
}

const isolated = {
  isIt: true,
  reason: 'Given up: three workers in a row died, or stopped answering, while calling it.',
  attempts: ['abandoned', 'abandoned', 'abandoned', 'give-up'],
  calls: 3,
}

test('an order that ends its worker is a dead letter after three times, once more when it is replayed, and 50 others are delivered', async () => {
  const [poison = '', ...innocents] = await placeOrders(51)
  await superviseWorker(poison, 'process.exit(1)')
  expect(await outcomeOf(poison, innocents.length)).toEqual(isolated)

  const replay = ['dead-letters', 'replay', '--order', poison, '--reason', 'not mended']
  const DATABASE_URL = connectionString(shop.connection)
  const command = startOrderwheel(replay, { DATABASE_URL })
  expect(await command.ended, command.output()).toBe(0)
  // One more worker, not three.
  expect((await outcomeOf(poison, innocents.length)).calls).toBe(4)
})

test('an order that workers died with before is not given up for another one that ends its worker', async () => {
  const [poison = '', suspect = ''] = await placeOrders(2)
  await sql`update orderwheel.deliveries set lost_in_a_row = 2 where order_id = ${suspect}`.execute(
    shop.db,
  )
  await superviseWorker(poison, 'process.exit(1)')
  expect(await outcomeOf(poison, 1)).toEqual(isolated)
})

test('an order that freezes its worker is a dead letter after three times, whoever restarts it', async () => {
  const [poison = '', ...innocents] = await placeOrders(6)
  const worker = await superviseWorker(poison, 'for (;;);')
  for (const time of [1, 2, 3]) {
    await eventually(async () => (await calls()) === time, { withinSeconds: 60 })
    await worker.kill()
  }
  expect(await outcomeOf(poison, innocents.length)).toEqual(isolated)
})

test('an order that uses up its worker’s memory is a dead letter after three times', async () => {
  const [poison = '', ...innocents] = await placeOrders(6)
  const memory = { NODE_OPTIONS: '--max-old-space-size=64' }
  await superviseWorker(
    poison,
    'for (const kept = []; ; ) kept.push(new Array(1_000_000).fill(1))',
    memory,
  )
  expect(await outcomeOf(poison, innocents.length)).toEqual(isolated)
})
