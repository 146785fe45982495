import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { lockDeliveries } from '#deliveries/lock-deliveries.ts'
import { releaseOrder } from '#deliveries/release-order.ts'
import { releaseStranded } from '#deliveries/release-stranded.ts'
import { rescueLost } from '#deliveries/rescue-lost.ts'
import { forgetOrder } from '#forget/forget-order.ts'
import { takeJobs } from '#queues/jobs.ts'
import { deleteOldOrders } from '#upkeep/delete-old-orders.ts'
import { historyTables, monthName, monthStart } from '#upkeep/history-tables.ts'

import { beginMonthsAgo, placeOrderMonthsAgo } from '../support/past-months.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { type Statement, watchStatements } from '../support/watch-statements.ts'

// Years of history must not make dearer what is done about an order of today: each statement says how old its messages
// can be at most, so that PostgreSQL plans for those months only.
let shop: TestShop
let saidDuring: ReturnType<typeof watchStatements>

beforeAll(async () => {
  shop = await openTestShop([testTarget('erp'), testTarget('email', { after: ['erp'] })])
  await beginMonthsAgo(shop.db, 12)
  saidDuring = watchStatements(shop.pool)
})
afterAll(() => shop.close())

test('releasing what waited in an order', async () => {
  const { orderId } = await placeOrder()

  const months = await monthsRead(() =>
    shop.db.transaction().execute(async (tx) => {
      await lockDeliveries(tx, { target: 'erp', messageIds: [], orderIds: [orderId] })
      await releaseOrder(tx, shop.boss, orderId)
    }),
  )
  expect(months).toEqual(ofToday())
})

const findsWaiting = { text: /order by w\.created_at/, alias: /^w/ }

test('releasing what waits for nothing: only to find what waits every month is looked into', async () => {
  const { orderId } = await placeOrder()
  await shop.pool.query(
    `update orderwheel.deliveries set state = 'skipped', settled_at = now() where order_id = $1 and target = 'erp'`,
    [orderId],
  )
  const stranded = () => releaseStranded(shop, { target: 'email', from: undefined })

  expect(await monthsRead(stranded, { but: findsWaiting })).toEqual(ofToday())
  expect(await shop.deliveries(orderId)).toMatchObject({ email: 'queued' })
})

test('taking back what a lost worker held', async () => {
  const { orderId } = await placeOrder()
  await shop.db.transaction().execute((tx) => takeJobs(tx, shop.boss, { queue: 'erp', count: 100 }))
  await shop.pool.query(
    `update orderwheel.deliveries set state = 'active' where target = 'erp' and state = 'queued'`,
  )
  await sql`update pgboss.job set heartbeat_on = now() - interval '1 hour', started_on = now() - interval '1 hour'`.execute(
    shop.db,
  )

  expect(await monthsRead(() => rescueLost(shop.db, shop.boss, ['erp']))).toEqual(ofToday())
  expect(await shop.deliveries(orderId)).toMatchObject({ erp: 'retrying' })
})

test.each([true, false])('forgetting an order, giving up on what is open: %s', async (isOpen) => {
  const { orderId } = await placeOrder()
  if (!isOpen)
    await shop.pool.query(
      `update orderwheel.deliveries set state = 'delivered', settled_at = now() where order_id = $1`,
      [orderId],
    )
  const asked = { forgettingId: orderId, who: 'eva', evenOpen: true }

  expect(await monthsRead(() => forgetOrder(shop.db, { orderId, ...asked }))).toEqual(ofToday())
  const { rows } = await shop.pool.query(
    `select forgotten_at is not null as forgotten from orderwheel.orders where id = $1`,
    [orderId],
  )
  expect(rows).toEqual([{ forgotten: true }])
})

test('deleting old orders: no month from before them', async () => {
  await placeOrderMonthsAgo(shop.db, 4)
  await shop.relay()
  await shop.pool.query(
    `update orderwheel.deliveries set state = 'delivered', settled_at = now() where settled_at is null`,
  )
  const old = () => deleteOldOrders(shop.db, { days: 60, signal: new AbortController().signal })

  const months = await monthsRead(old)
  expect(months).toContain(monthName(monthStart(new Date(), -4)))
  expect(months).not.toContain(monthName(monthStart(new Date(), -6)))
})

async function placeOrder() {
  const order = await shop.placeOrder()
  await shop.relay()
  return order
}

type Reads = { text: RegExp; alias: RegExp }

/** The months that are in the plans of what is said, up to this one. */
async function monthsRead(
  work: () => Promise<unknown>,
  { but }: { but?: Reads } = {},
): Promise<string[]> {
  const found = new Set<string>()
  for (const statement of await saidDuring(work))
    for (const { month, alias } of await readsOf(statement))
      if (!but?.text.test(statement.text) || !but.alias.test(alias)) found.add(month)
  expect(found.size).toBeGreaterThan(0)
  const now = monthName(new Date())
  return [...found].filter((month) => month <= now).sort()
}

const partition = new RegExp(`^(?:${historyTables.join('|')})_(?:until_)?(\\d{4}_\\d\\d)$`)

type PlanNode = { 'Relation Name'?: string; Alias?: string; Plans?: PlanNode[] }

async function readsOf({ text, values }: Statement): Promise<{ month: string; alias: string }[]> {
  const { rows } = await shop.pool.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `explain (format json, costs off) ${text}`,
    [...values],
  )
  const root = rows[0]?.['QUERY PLAN'][0].Plan
  return root ? readsIn(root) : []
}

function readsIn(node: PlanNode): { month: string; alias: string }[] {
  const [, month] = partition.exec(node['Relation Name'] ?? '') ?? []
  const own = month === undefined ? [] : [{ month, alias: node.Alias ?? '' }]
  return [...own, ...(node.Plans ?? []).flatMap(readsIn)]
}

/** This month, and on its first day the one before: clocks differ by a day. */
function ofToday(): string[] {
  const now = new Date()
  const yesterday = new Date(now.getTime() - 86_400_000)
  return [...new Set([monthName(yesterday), monthName(now)])]
}
