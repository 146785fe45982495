import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { watchShop } from '#alerts/watch-shop.ts'
import { addMonths } from '#upkeep/add-months.ts'

import { beginMonthsAgo, dropLastMonths } from '../support/past-months.ts'
import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'
import { verifyShop } from '../support/verify-shop.ts'

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

/** The last verification that ended, the last full one, and the last try were so many minutes ago. */
async function verifiedAgo({ any, full, tried }: { any: number; full: number; tried: number }) {
  await sql`
    update orderwheel.verifications set finished_at = now() - make_interval(mins => ${any})`.execute(
    shop.db,
  )
  await sql`
    update orderwheel.verify_state
       set watermark = uuidv7(), full_at = now() - make_interval(mins => ${full}),
           claimed_until = now() - make_interval(mins => ${tried})`.execute(shop.db)
}

const day = 24 * 60

test('a shop that was not verified for half an hour raises an alert, however often it is tried', async () => {
  await verifiedAgo({ any: 29, full: day, tried: 29 })
  expect(await openAlerts()).toEqual([])
  // Somebody verifies at this moment.
  await verifiedAgo({ any: 31, full: day, tried: -1 })
  expect(await openAlerts()).toEqual([])
  await verifiedAgo({ any: 31, full: day, tried: 0 })
  expect(await openAlerts()).toEqual([
    expect.stringMatching(/^verify.failed : .* not been verified for more than 30 minutes/),
  ])
  await verifyShop(shop.db)
  expect(await openAlerts()).toEqual([])
  await verifiedAgo({ any: 121, full: day, tried: -1 })
  expect(await openAlerts()).toHaveLength(1)
})

test('nor does one of a clock that was ahead keep the alert back', async () => {
  await verifiedAgo({ any: 31, full: day, tried: 0 })
  await sql`
    insert into orderwheel.verifications (is_full, requested_by, started_at, finished_at)
    values (false, 'test', now(), now() + interval '1 hour')`.execute(shop.db)
  expect(await openAlerts()).toHaveLength(1)
})

test('a shop that was not verified as a whole for two days raises an alert, until it is', async () => {
  await verifiedAgo({ any: 1, full: 2 * day - 1, tried: 1 })
  expect(await openAlerts()).toEqual([])
  await verifiedAgo({ any: 1, full: 2 * day + 1, tried: 1 })
  const wholeFailed = [
    expect.stringMatching(/^verify.failed full: .* as a whole for more than 2 days/),
  ]
  expect(await openAlerts()).toEqual(wholeFailed)
  await verifyShop(shop.db)
  expect(await openAlerts()).toEqual(wholeFailed)
  await verifyShop(shop.db, { isFull: true })
  expect(await openAlerts()).toEqual([])
})

test('a shop that never was verified raises an alert after half an hour, or after two days of its first time', async () => {
  const installed = (since: string) =>
    sql`update orderwheel.schema_migrations set applied_at = now() - ${since}::interval`.execute(
      shop.db,
    )
  await sql`delete from orderwheel.verifications`.execute(shop.db)
  await installed('29 minutes')
  expect(await openAlerts()).toEqual([])
  await installed('31 minutes')
  await sql`update orderwheel.verify_state set full_walk = '{}'`.execute(shop.db)
  expect(await openAlerts()).toEqual([])
  await sql`update orderwheel.verify_state set full_walk = null`.execute(shop.db)
  expect(await openAlerts()).toEqual([expect.stringContaining('for more than 30 minutes')])
  await installed('49 hours')
  await sql`update orderwheel.verify_state set full_walk = '{}'`.execute(shop.db)
  expect(await openAlerts()).toContainEqual(expect.stringContaining('for more than 2 days'))
})

test('months ahead that nobody could add raise an alert until they are there', async () => {
  await beginMonthsAgo(shop.db, 0)
  expect(await openAlerts()).toEqual([])
  const [gone] = await dropLastMonths(shop, 'delivery_attempts', 2)
  expect(await openAlerts()).toEqual([
    expect.stringContaining(
      `partitions : orderwheel.delivery_attempts has no partition for ${gone}: from then on no message can be relayed.`,
    ),
  ])
  await dropLastMonths(shop, 'messages', 1)
  expect(await openAlerts()).toEqual([
    expect.stringMatching(/orderwheel\.delivery_attempts has no/),
  ])
  await addMonths(shop.db)
  expect(await openAlerts()).toEqual([])
})
