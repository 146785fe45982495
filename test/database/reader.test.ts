import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'

const views = ['dead_letter_groups', 'order_timeline', 'stuck_deliveries', 'target_health']

let shop: StuckShop
let reader: pg.Client

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'email'])
  await shop.placeOrder([
    {
      kind: 'order.placed',
      deliveries: { erp: 'dead', email: 'waiting' },
      after: { email: ['erp'] },
    },
  ])
  reader = new pg.Client(shop.connection)
  await reader.connect()
  await reader.query('set role orderwheel_reader')
})
afterAll(async () => {
  await reader.end()
  await shop.close()
})

test('the reader may read the four views, and no table of either schema', async () => {
  const { rows } = await shop.pool.query<{ name: string; kind: string }>(`
    select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('orderwheel', 'pgboss') and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')`)
  expect(rows.length).toBeGreaterThan(20)
  const readable: string[] = []
  for (const { name } of rows) {
    const answer = await reader.query(`select * from ${name} limit 1`).catch((error) => error.code)
    if (answer !== '42501') readable.push(name)
  }
  expect(readable.sort()).toEqual(views.map((view) => `orderwheel.${view}`))
})

test('the reader can change nothing', async () => {
  const changes = [
    'delete from orderwheel.orders',
    `update orderwheel.targets set circuit = 'open'`,
    'truncate orderwheel.deliveries cascade',
    'create table orderwheel.mine ()',
    `select nextval('orderwheel.outbox_position_seq')`,
  ]
  for (const change of changes)
    await expect(reader.query(change)).rejects.toThrow('permission denied')
})

test('the views say nothing of whose order it is, even where a target or an operator did', async () => {
  const loose =
    'Customer ADA LOVELACE <Ada@Example.com>, +491701234567, Hauptstraße 1: unknown. Ask Lovelace, or bob@example.org'
  await shop.pool.query(`update orderwheel.dead_letters set reason = $1`, [loose])
  await shop.pool.query(`update orderwheel.delivery_attempts set reason = $1`, [loose])
  await shop.pool.query(
    `update orderwheel.targets set circuit = 'open', circuit_reason = 'refuses bob@example.org'`,
  )
  await shop.pool.query(`
    update orderwheel.deliveries set state = 'retrying', settled_at = null, attempts = 3, created_at = now() - interval '1 hour';
    insert into orderwheel.delivery_attempts (message_id, target, number, started_at, outcome, reason, worker)
    select message_id, target, 3, now(), 'try-again', '${loose}', 'host:1' from orderwheel.deliveries on conflict do nothing;
    insert into orderwheel.audit_log (who, action, subject, reason) select 'eva', 'delivery.skipped', id, '${loose}' from orderwheel.orders`)
  for (const circuit of ['open', 'closed']) {
    await shop.pool.query('update orderwheel.targets set circuit = $1', [circuit])
    await shop.pool.query(
      `insert into orderwheel.slot_leases select name, 'host:1', 1, 1 from orderwheel.targets on conflict do nothing`,
    )
    await shop.pool.query(
      `insert into orderwheel.target_counts (target, period, worker) select name, now(), 'host:1' from orderwheel.targets on conflict do nothing`,
    )
    for (const view of views) {
      const { rows } = await reader.query<{ row: string }>(
        `select v::text as row from orderwheel.${view} v`,
      )
      expect(rows.length, view).toBeGreaterThan(0)
      const told = rows.map(({ row }) => row).join('\n')
      // A whole word: the ids have hexadecimal digits.
      expect(told, view).not.toMatch(/\bada\b|lovelace|@example|4917012|hauptstra/i)
    }
  }
  const { rows } = await reader.query<{ detail: string }>(
    `select detail from orderwheel.order_timeline where event = 'dead letter'`,
  )
  expect(rows[0]?.detail).toBe('Customer # <#>, #, #: unknown. Ask #, or #')
})
