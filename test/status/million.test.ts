import { afterAll, beforeAll, expect, test } from 'vitest'

import { countBacklogs } from '#limits/count-backlogs.ts'
import { readStatus } from '#status/read-status.ts'

import { fillHistory, historyTargets } from '../support/fill-history.ts'
import { readPlan } from '../support/read-plan.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

// Enough that PostgreSQL plans as it does for millions: 312 000 deliveries, 192 000 of them open, and 15 000 letters.
let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
  await fillHistory(database.pool, {
    orders: 90_000,
    open: 60_000,
    unrelayed: 12_000,
    oneDeadIn: 2,
  })
  await payForSome()
}, 180_000)
afterAll(() => database.close())

// One in ten was paid here, and one in a hundred declined.
async function payForSome() {
  await database.pool.query(`
    insert into orderwheel.payments (order_id, external_id, provider, mode, state, reference, settled_at)
    select id, external_id, 'cards', 'capture', case when n % 10 = 0 then 'declined' else 'captured' end,
           case when n % 10 > 0 then 'ch_' || n end, received_at
      from (select id, external_id, received_at, row_number() over (order by id) as n
              from orderwheel.orders tablesample bernoulli (10) repeatable (1)) o`)
  await database.pool.query(`
    update orderwheel.orders o set external_id = 'declined-' || gen_random_uuid()
      from orderwheel.payments p where p.order_id = o.id and p.state = 'declined'`)
  await database.pool.query('vacuum analyze orderwheel.orders, orderwheel.payments')
}

test('a backlog of any size is not counted by who looks at the status', async () => {
  const { relay, targets } = await readStatus(database.db)

  expect(relay).toMatchObject({ waiting: 12_000, isEstimated: true, refused: 0 })
  const [erp] = targets.filter(({ target }) => target === 'erp')
  expect(erp).toMatchObject({ queued: 9_801, retrying: 200, openCounts: 'at-least' })
  expect(await readPlan(database.pool, { text: 'select * from orderwheel.target_health' })).toEqual(
    [
      'Index Only Scan dead_letters by dead_letters_open',
      'Index Scan deliveries by deliveries_open',
      'Seq Scan backlogs',
      'Seq Scan targets',
    ],
  )
})

test('one worker counts it once a minute for all', async () => {
  expect(await Promise.all([countBacklogs(database.db), countBacklogs(database.db)])).toContain(
    true,
  )
  expect(await countBacklogs(database.db)).toBe(false)

  const { targets } = await readStatus(database.db)

  const counts = targets.map((one) => [one.target, one.waiting, one.queued, one.openCounts])
  expect(counts).toEqual([
    ['analytics', 0, 47_040, 'estimated'],
    ['confirmation-email', 48_000, 0, 'estimated'],
    ['erp', 0, 47_040, 'estimated'],
    ['partner-webhook', 0, 47_040, 'estimated'],
  ])
})

test('the status prints what is counted, what was counted, and what is too much to count as such', async () => {
  const status = async () => {
    const { ended, output } = startOrderwheel(['status'], {
      DATABASE_URL: connectionString(database.connection),
    })
    await ended
    return output()
  }
  expect(await status()).toMatch(/^Relay: ~12 000 waiting/m)
  expect(await status()).toMatch(/^erp +~0 +~47 040 +~0 +~960 +0 +60 days +7500 /m)

  await database.pool.query(
    'update orderwheel.backlogs set waiting = null, queued = null, active = null, retrying = null',
  )

  expect(await status()).toMatch(/^erp +0\+ +9 801\+ +0\+ +200\+ /m)
})

test('a count that nobody has renewed for ten minutes is no longer shown', async () => {
  await database.pool.query(
    `update orderwheel.backlogs set counted_at = now() - interval '11 minutes'`,
  )

  const { targets } = await readStatus(database.db)

  expect(targets.every(({ openCounts }) => openCounts === 'at-least')).toBe(true)
  expect(await countBacklogs(database.db)).toBe(true)
})

test('groups of dead letters are counted in an index', async () => {
  const plan = await readPlan(database.pool, {
    text: 'select target, group_id, dead_letters, first_at, last_at from orderwheel.dead_letter_groups',
  })

  expect(plan).toContain('Index Only Scan dead_letters by dead_letters_groups')
  expect(plan.filter((step) => step.startsWith('Seq Scan'))).toEqual([])
})

test('one order’s story is read by indexes alone', async () => {
  for (const which of ['order_id', 'external_id']) {
    const value = await database.pool.query<{ value: string }>(
      `select ${which === 'order_id' ? 'id' : which}::text as value from orderwheel.orders limit 1`,
    )
    const plan = await readPlan(database.pool, {
      text: `select * from orderwheel.order_timeline where ${which} = $1 order by at, step`,
      values: [value.rows[0]?.value],
    })
    // This is empty here.
    expect(plan.filter((step) => /Seq Scan (?!audit_log)/.test(step))).toEqual([])
    expect(plan).toContain('Index Scan delivery_attempts by delivery_attempts_pkey')
  }
})

test('what is stuck is found without reading what is not', async () => {
  const plan = await readPlan(database.pool, { text: 'select * from orderwheel.stuck_deliveries' })

  expect(plan).toEqual([
    'Index Scan dead_letters by dead_letters_open',
    'Index Scan deliveries by deliveries_open',
    'Index Scan deliveries by deliveries_order',
    'Index Scan delivery_attempts by delivery_attempts_pkey',
    'Index Scan orders by orders_pkey',
    'Seq Scan slot_leases',
    'Seq Scan target_counts',
    'Seq Scan targets',
  ])
  const { rows } = await database.pool.query<{ count: number }>(
    'select count(*)::int as count from orderwheel.stuck_deliveries',
  )
  expect(rows[0]?.count).toBeLessThanOrEqual(1_000 * historyTargets.length)
})
