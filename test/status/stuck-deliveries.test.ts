import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'

let shop: StuckShop

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'email'])
})
afterAll(() => shop.close())

beforeEach(async () => {
  await shop.pool.query(`
    delete from orderwheel.orders;
    update orderwheel.targets set paused_at = null, paused_until = null, paused_by = null, pause_reason = null,
                                  circuit = 'closed', circuit_reason = null;
    insert into orderwheel.slot_leases (target, worker, slots, wanted)
    select name, 'host:1:aaa', 1, 1 from orderwheel.targets on conflict do nothing;
    insert into orderwheel.target_counts (target, period, worker, delivered)
    select name, now(), 'host:1:aaa', 1 from orderwheel.targets on conflict do nothing`)
})

test('a delivery that waits for its turn at a target that is being called is old, not stuck', async () => {
  await placeOld({ erp: 'queued' })

  expect(await stuck()).toEqual([])
})

test('a delivery of a paused target is stuck because of who paused it, and why', async () => {
  await placeOld({ erp: 'queued' })
  await shop.pool.query(`
    update orderwheel.targets set paused_at = now(), paused_by = 'eva', pause_reason = 'ERP upgrade',
                                  paused_until = '2199-01-01 10:00Z' where name = 'erp'`)

  expect(await stuck()).toEqual([
    'erp queued: erp is paused by eva until 2199-01-01 10:00Z: ERP upgrade',
  ])
})

test('a delivery of a target whose circuit is open is stuck because of what the target answered', async () => {
  await placeOld({ erp: 'retrying' })
  await shop.pool.query(
    `update orderwheel.targets set circuit = 'open', circuit_reason = 'answered 503' where name = 'erp'`,
  )

  expect(await stuck()).toEqual(["erp retrying: erp's circuit is open: answered 503"])
})

test('a delivery that no worker calls, or that workers call without end, is stuck', async () => {
  await placeOld({ erp: 'queued' })
  await shop.pool.query('delete from orderwheel.target_counts')
  expect(await stuck()).toEqual(['erp queued: no call of erp has ended for 5 minutes'])

  await shop.pool.query('delete from orderwheel.slot_leases')
  expect(await stuck()).toEqual(['erp queued: no worker calls erp'])
})

test('a delivery that keeps failing is stuck, and says how', async () => {
  const { messageIds } = await placeOld({ erp: 'retrying' })
  await shop.pool.query(`update orderwheel.deliveries set attempts = 7`)
  await shop.pool.query(
    `insert into orderwheel.delivery_attempts (message_id, target, number, started_at, outcome, reason, worker)
     values ($1, 'erp', 7, now(), 'try-again', 'customer ada@example.com is locked', 'host:1')`,
    [messageIds[0]],
  )

  expect(await stuck()).toEqual(['erp retrying: failed 7 times: customer # is locked'])
})

test('a call that began a quarter of an hour ago is stuck', async () => {
  await placeOld({ erp: 'active' })
  await shop.pool.query(`update orderwheel.deliveries set started_at = '2026-01-01 10:00Z'`)

  expect(await stuck()).toEqual(['erp active: its call began at 2026-01-01 10:00Z'])
})

test('what waits for a dead or uncertain delivery is stuck until a person decides, what waits for an open one is not', async () => {
  await placeOld({ erp: 'dead', email: 'waiting' })
  expect(await stuck()).toEqual(['email waiting: waits for erp, which is dead: a person decides'])
  await shop.pool.query('delete from orderwheel.orders')

  await placeOld({ erp: 'uncertain', email: 'waiting' })
  expect(await stuck()).toEqual([
    'email waiting: waits for erp, which is uncertain: a person decides',
  ])
  await shop.pool.query('delete from orderwheel.orders')

  await placeOld({ erp: 'queued', email: 'waiting' })
  expect(await stuck()).toEqual([])
})

test('what waits for nothing any more is stuck', async () => {
  await placeOld({ erp: 'delivered', email: 'waiting' })

  expect(await stuck()).toEqual(['email waiting: waits for nothing'])
})

test('what has been open for a few minutes is nobody’s trouble yet', async () => {
  await placeOld({ erp: 'dead', email: 'waiting' })
  await shop.pool.query(
    `update orderwheel.deliveries set created_at = now() - interval '5 minutes'`,
  )

  expect(await stuck()).toEqual([])
})

type States = Parameters<StuckShop['placeOrder']>[0][number]['deliveries']

async function placeOld(deliveries: States) {
  const after = 'email' in deliveries ? { after: { email: ['erp'] } } : {}
  const placed = await shop.placeOrder([{ kind: 'order.placed', deliveries, ...after }])
  await shop.pool.query(`update orderwheel.deliveries set created_at = now() - interval '1 hour'`)
  return placed
}

async function stuck(): Promise<string[]> {
  const { rows } = await shop.pool.query<{ target: string; state: string; because: string }>(
    'select target, state, because from orderwheel.stuck_deliveries order by target',
  )
  return rows.map(({ target, state, because }) => `${target} ${state}: ${because}`)
}
