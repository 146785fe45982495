import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { onlyDeployment } from '#base/deployment.ts'
import { type ClaimedDelivery, claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideSettlement } from '#deliveries/decide-settlement.ts'
import { lookAround } from '#deliveries/look-around.ts'
import { settleDeliveries } from '#deliveries/settle-deliveries.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { findConflicts } from '#orders/find-conflicts.ts'
import { insertOrders, type NewOrder } from '#orders/insert-orders.ts'
import { readOrder } from '#orders/read-order.ts'
import { readPulses, readWatched } from '#orders/read-watched.ts'
import { hasDueMessage } from '#outbox/due-messages.ts'
import { keepJobs } from '#queues/jobs.ts'
import { relayBatch } from '#relay/relay-batch.ts'
import { delivered, giveUp, type Outcome, tryAgain } from '#targets/outcome.ts'
import { targetDefaults } from '#targets/target.ts'

import { fillHistory, historyTargets } from '../support/fill-history.ts'
import { readPlan } from '../support/read-plan.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { type Statement, watchStatements } from '../support/watch-statements.ts'

// What runs for each order, or each second. A change of one shows as a change of the file beside this test, and none
// may read a table that grows from end to end.
let shop: TestShop
let saidDuring: ReturnType<typeof watchStatements>

beforeAll(async () => {
  shop = await openTestShop(
    historyTargets.map((name) =>
      testTarget(name, name === 'confirmation-email' ? { after: ['erp'] } : {}),
    ),
  )
  // Each batch of the relay makes deliveries and jobs as they are in production.
  await fillHistory(shop.pool, { orders: 40_000, open: 15_000, unrelayed: 10_000, oneDeadIn: 10 })
  for (let batch = 0; batch < 4; batch += 1) await relayBatch(shop.relayOptions, { limit: 500 })
  await shop.pool.query('analyze')
  saidDuring = watchStatements(shop.pool)
}, 180_000)
afterAll(() => shop.close())

test('taking orders', async () => {
  const orders = [newOrder(), newOrder()]

  expect(await readsOf('take-orders', () => insertOrders(shop.pool, orders, 10_000))).toEqual([])
  expect(await readsOf('take-orders-again', () => findConflicts(shop.pool, orders))).toEqual([])
})

test('relaying messages', async () => {
  expect(await readsOf('is-there-to-relay', () => hasDueMessage(shop.db))).toEqual([])
  expect(await readsOf('relay', () => relayBatch(shop.relayOptions, { limit: 100 }))).toEqual([])
})

test('looking for work', async () => {
  expect(
    await readsOf('look-around', () => lookAround(shop.db, [...historyTargets], onlyDeployment)),
  ).toEqual([])
})

test('claiming deliveries, keeping them, and settling what became of them', async () => {
  let claimed: ClaimedDelivery[] = []
  const claim = async () => {
    claimed = await claimDeliveries(shop, { queue: 'erp', count: 30 })
  }
  expect(await readsOf('claim', claim)).toEqual([])
  expect(claimed).toHaveLength(30)
  const held = claimed.map(({ job }) => job)
  // It speaks of jobs only, whose tables are pg-boss's.
  await keepJobs(shop.db, { queue: 'erp', held })

  expect(
    await readsOf('settle-delivered', () => settle(claimed.slice(0, 10), delivered())),
  ).toEqual([])
  expect(
    await readsOf('settle-retrying', () => settle(claimed.slice(10, 20), tryAgain('busy'))),
  ).toEqual([])
  expect(await readsOf('settle-dead', () => settle(claimed.slice(20), giveUp('no')))).toEqual([])
})

test('showing an order', async () => {
  expect(await readsOf('show-order', () => readOrder(shop.db, { externalId: 'WEB-777' }))).toEqual(
    [],
  )
})

test('watching a thousand orders', async () => {
  const { rows } = await shop.pool.query<{ id: string }>(
    'select id from orderwheel.orders order by id limit 1000',
  )
  const ids = rows.map(({ id }) => id)
  expect(await readsOf('watch-orders', () => readPulses(shop.db, ids))).toEqual([])
  const changed = ids.slice(0, 200)
  expect(await readsOf('watch-orders-changed', () => readWatched(shop.db, changed))).toEqual([])
})

/** Compares what is said with the file of that name, and answers the reads of whole tables in it. */
async function readsOf(name: string, work: () => Promise<unknown>): Promise<string[]> {
  const said = await saidDuring(work)
  expect(said.length).toBeGreaterThan(0)
  await expect(`${said.map(({ text }) => tidy(text)).join(';\n\n')};\n`).toMatchFileSnapshot(
    `${name}.sql`,
  )
  const reads: string[] = []
  for (const statement of said) reads.push(...(await readsWhole(statement)))
  return reads
}

const growing = ['orders', 'messages', 'deliveries', 'delivery_attempts', 'dead_letters']

async function readsWhole(statement: Statement): Promise<string[]> {
  const plan = await readPlan(shop.pool, statement)
  return plan.filter((step) => growing.some((table) => step === `Seq Scan ${table}`))
}

/** Without the indentation of the file it stands in. */
function tidy(text: string): string {
  const lines = text.trim().split('\n')
  const indents = lines.slice(1).map((line) => /^ */.exec(line)?.[0].length ?? 0)
  const common = Math.min(...indents, 80)
  return [lines[0], ...lines.slice(1).map((line) => line.slice(common))].join('\n')
}

function settle(claimed: ClaimedDelivery[], outcome: Outcome) {
  const settlements = claimed.map((delivery) =>
    decideSettlement(targetDefaults, {
      delivery,
      end: { outcome, askFirst: false, durationMs: 1 },
      begunAt: performance.now(),
    }),
  )
  return settleDeliveries({ ...shop, worker: 'w' }, 'erp', settlements)
}

function newOrder(): NewOrder {
  const externalId = `NEW-${randomUUID()}`
  return {
    apiKeyId: randomUUID(),
    idempotencyKey: externalId,
    fingerprint: 'ab'.repeat(32),
    externalId,
    document: JSON.stringify(exampleOrder(externalId)),
  }
}
