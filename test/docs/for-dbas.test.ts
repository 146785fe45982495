import { readFileSync } from 'node:fs'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { countBacklogs } from '#limits/count-backlogs.ts'
import { pauseTarget } from '#limits/pause-target.ts'

import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'

const page = readFileSync(new URL('../../docs/for-dbas.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/(<!-- may be empty -->\s*)?```sql\n(.*?)```/gs)].map(
  ([, mayBeEmpty, sql = '']) => ({ sql: sql.trim(), mayBeEmpty: mayBeEmpty !== undefined }),
)

let shop: StuckShop

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'mail'])
  await shop.placeOrder([
    {
      kind: 'order.placed',
      deliveries: { erp: 'dead', mail: 'waiting' },
      after: { mail: ['erp'] },
    },
  ])
  await shop.pool.query(`update orderwheel.orders set external_id = 'WEB-10042'`)
  for (const state of ['queued', 'active', 'retrying', 'delivered', 'uncertain'] as const)
    await shop.placeOrder([{ kind: 'order.placed', deliveries: { erp: state } }])
  await shop.pool.query(`
    update orderwheel.deliveries set created_at = now() - interval '1 hour';
    insert into orderwheel.delivery_attempts (message_id, target, number, started_at, duration_ms, outcome, worker)
    select message_id, target, 1, now(), 70, 'delivered', 'host:1' from orderwheel.deliveries where state = 'delivered';
    insert into orderwheel.target_counts (target, period, worker, delivered, failed) values ('erp', now(), 'host:1', 3, 1);
    insert into orderwheel.outbox (order_id, kind) select id, 'order.cancelled' from orderwheel.orders limit 1;
    insert into orderwheel.verifications (is_full, requested_by, started_at) values (true, 'worker', now())`)
  await pauseTarget(shop.db, { target: 'erp', who: 'eva', reason: 'upgrade', end: null })
  await countBacklogs(shop.db)
})
afterAll(() => shop.close())

test('the page has the answers a DBA looks for', () => {
  expect(blocks.length).toBeGreaterThan(20)
})

test.for(blocks)('docs/for-dbas.md: $sql', async ({ sql, mayBeEmpty }) => {
  const answer = await shop.pool.query(sql)

  const asks = /^(select|with)\b/.test(sql)
  expect((answer.rowCount ?? 0) > 0 || !asks || mayBeEmpty).toBe(true)
})

test('the page names no column, index or setting that is not there', async () => {
  const { rows } = await shop.pool.query<{ name: string }>(`
    select relname as name from pg_class where relnamespace = 'orderwheel'::regnamespace
    union select attname from pg_attribute a join pg_class c on c.oid = attrelid where relnamespace = 'orderwheel'::regnamespace
    union select name from pg_settings
    union select proname from pg_proc where pronamespace = 'orderwheel'::regnamespace`)
  const known = new Set(rows.map(({ name }) => name))
  const named = [...page.matchAll(/`((?:[a-z]+_)+[a-z]+)`/g)].map(([, name = '']) => name)
  const elsewhere = ['orderwheel_reader', 'pg_read_all_data', 'pg_monitor', 'pg_dump', 'pg_upgrade']
  const unknown = named.filter((name) => !known.has(name) && !elsewhere.includes(name))
  // Storage settings of tables, and PgBouncer's.
  expect(unknown.filter((name) => !/^(autovacuum|max_prepared)_/.test(name))).toEqual([])
})
