import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { watchShop } from '#alerts/watch-shop.ts'

import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'

let shop: StuckShop

beforeEach(async () => {
  shop = await openStuckShop(['erp', 'mail'])
  // A shop that was verified a moment ago.
  await sql`
    insert into orderwheel.verifications (is_full, requested_by, started_at) values (true, 'test', now())`.execute(
    shop.db,
  )
})
afterEach(() => shop.close())

async function openAlerts(): Promise<string[]> {
  await watchShop(shop.db)
  const rows = await shop.db
    .selectFrom('orderwheel.alerts')
    .select(['kind', 'subject', 'text'])
    .where('resolved_at', 'is', null)
    .orderBy('kind')
    .execute()
  return rows.map(({ kind, subject, text }) => `${kind} ${subject}: ${text}`)
}

const orderStuck = () =>
  shop.placeOrder([{ kind: 'order.placed', deliveries: { erp: 'dead', mail: 'delivered' } }])

test('new dead letters of a target raise one alert, old ones none', async () => {
  expect(await openAlerts()).toEqual([])
  await orderStuck()
  expect(await openAlerts()).toEqual([
    'dead-letters erp: erp: 1 new dead letter in the last hour. "orderwheel dead-letters groups" says why.',
  ])
  await orderStuck()
  expect(await openAlerts()).toEqual([expect.stringContaining('erp: 2 new dead letters')])
  await sql`update orderwheel.dead_letters set died_at = died_at - interval '2 hours'`.execute(
    shop.db,
  )
  expect(await openAlerts()).toEqual([])
  await orderStuck()
  expect(await openAlerts()).toEqual([expect.stringContaining('erp: 1 new dead letter')])
})

test('an outbox that does not move for 5 minutes raises an alert until it moves', async () => {
  const { orderId } = await orderStuck()
  await sql`update orderwheel.dead_letters set died_at = now() - interval '2 hours'`.execute(
    shop.db,
  )
  await sql`
    insert into orderwheel.outbox (order_id, kind, created_at)
    values (${orderId}, 'order.cancelled', now() - interval '7 minutes')`.execute(shop.db)
  expect(await openAlerts()).toEqual([
    expect.stringContaining('its oldest message has been waiting for 7 minutes'),
  ])
  await sql`delete from orderwheel.outbox`.execute(shop.db)
  expect(await openAlerts()).toEqual([])
})

test('messages that wait behind a refused one of their order do not make the outbox stand still', async () => {
  const { orderId } = await shop.placeOrder([])
  const { orderId: other } = await shop.placeOrder([])
  await sql`
    insert into orderwheel.outbox (order_id, kind, created_at, refusals, refusal, try_after)
    values (${orderId}, 'order.unheard-of', now() - interval '7 minutes', 1, 'unknown', now() + interval '1 minute'),
           (${orderId}, 'order.cancelled', now() - interval '6 minutes', 0, null, null)`.execute(
    shop.db,
  )
  expect(await openAlerts()).toEqual([])
  await sql`
    insert into orderwheel.outbox (order_id, kind, created_at)
    values (${other}, 'order.placed', now() - interval '6 minutes')`.execute(shop.db)
  expect(await openAlerts()).toEqual([
    expect.stringContaining('its oldest message has been waiting for 6 minutes'),
  ])
})

test('a shop that was not verified for half an hour raises an alert, unless a full one goes on', async () => {
  await sql`
    update orderwheel.verifications set finished_at = now() - interval '31 minutes'`.execute(
    shop.db,
  )
  await sql`
    update orderwheel.verify_state set claimed_until = now() - interval '1 minute'`.execute(shop.db)
  expect(await openAlerts()).toEqual([])
  await sql`
    update orderwheel.verify_state set claimed_until = now() - interval '31 minutes'`.execute(
    shop.db,
  )
  expect(await openAlerts()).toEqual([
    expect.stringContaining('have not been verified for more than 30 minutes'),
  ])
})
