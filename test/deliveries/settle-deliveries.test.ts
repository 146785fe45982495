import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { type ClaimedDelivery, claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideSettlement } from '#deliveries/decide-settlement.ts'
import { settleDeliveries } from '#deliveries/settle-deliveries.ts'
import { endJobs, keepJobs } from '#queues/jobs.ts'
import { delivered, giveUp, type Outcome, tryAgain } from '#targets/outcome.ts'
import { targetDefaults } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

async function claim(target: string, count = 1): Promise<ClaimedDelivery[]> {
  return claimDeliveries({ db: shop.db, boss: shop.boss }, { queue: target, count })
}

function settle(target: string, claimed: ClaimedDelivery[], outcome: Outcome = delivered()) {
  const settlements = claimed.map((delivery) =>
    decideSettlement(targetDefaults, {
      delivery,
      end: { outcome, askFirst: false, durationMs: 1 },
      begunAt: performance.now(),
    }),
  )
  return settleDeliveries({ db: shop.db, boss: shop.boss, worker: 'w' }, target, settlements)
}

async function deadlocks(): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select deadlocks as n from pg_stat_database where datname = current_database()`.execute(shop.db)
  return Number(rows[0]?.n)
}

async function waitingForLocks(): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`.execute(shop.db)
  return rows[0]?.n
}

test.for([
  ['delivered', delivered()],
  ['try-again', tryAgain('busy')],
] as [string, Outcome][])('settled twice is settled once: %s', async ([outcome, answer]) => {
  shop = await openTestShop([testTarget('erp')])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const claimed = await claim('erp')
  expect((await settle('erp', claimed, answer)).settlements).toHaveLength(1)
  const before = await shop.db.selectFrom('orderwheel.deliveries').selectAll().execute()
  expect((await settle('erp', claimed, answer)).settlements).toEqual([])
  expect(await shop.db.selectFrom('orderwheel.deliveries').selectAll().execute()).toEqual(before)
  expect((await shop.attempts(orderId)).map((attempt) => attempt.outcome)).toEqual([outcome])
})

test('of a batch, what another worker has taken is left to it, and the rest is settled', async () => {
  shop = await openTestShop([testTarget('erp')])
  const [first, second] = [await shop.placeOrder(), await shop.placeOrder()]
  await shop.relay()
  const claimed = await claim('erp', 2)
  await sql`update pgboss.job set state = 'retry', start_after = now()
             where id = ${first.messageId}`.execute(shop.db)
  const [taken] = await claim('erp')
  expect(taken?.messageId).toBe(first.messageId)

  const { settlements } = await settle('erp', claimed)
  expect(settlements.map(({ delivery }) => delivery.messageId)).toEqual([second.messageId])
  expect(await shop.deliveries(first.orderId)).toEqual({ erp: 'queued' })
  expect(await shop.deliveries(second.orderId)).toEqual({ erp: 'delivered' })
})

test.for([
  ['delivered', delivered()],
  ['dead', giveUp('no such customer')],
] as [string, Outcome][])(
  'an order deleted while its target was called leaves nothing behind: %s',
  async ([, answer]) => {
    shop = await openTestShop([testTarget('erp')])
    const [deleted, kept] = [await shop.placeOrder(), await shop.placeOrder()]
    await shop.relay()
    const claimed = await claim('erp', 2)
    await shop.db.deleteFrom('orderwheel.orders').where('id', '=', deleted.orderId).execute()

    await settle('erp', claimed, answer)
    const attempts = await shop.db
      .selectFrom('orderwheel.delivery_attempts')
      .select('message_id')
      .execute()
    expect(attempts).toEqual([{ message_id: kept.messageId }])
    expect(await shop.deliveries(kept.orderId)).toEqual({
      erp: answer.kind === 'delivered' ? 'delivered' : 'dead',
    })
  },
)

test('what came to wait during the call is locked first: settling it and relaying more never lock each other up', async () => {
  const names = ['confirmation-email', 'erp', 'partner-webhook']
  shop = await openTestShop(
    names.map((name) => testTarget(name, { after: name === 'confirmation-email' ? ['erp'] : [] })),
    { 'order.placed': names, 'order.cancelled': names },
  )
  const { orderId, messageId } = await shop.placeOrder()
  await shop.relay()
  const claimed = await claim('partner-webhook')
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()

  // As a relay does that has a third message: in the order in which everybody locks.
  const settling = await shop.db.transaction().execute(async (tx) => {
    const lock = (target: string) =>
      sql`select from orderwheel.deliveries
           where message_id = ${messageId} and target = ${target} for update`.execute(tx)
    await lock('confirmation-email')
    const settled = settle('partner-webhook', claimed)
    await eventually(async () => (await waitingForLocks()) === 1)
    await lock('partner-webhook')
    return { settled }
  })
  expect((await settling.settled).released).toEqual(['partner-webhook'])
  expect(await deadlocks()).toBe(0)
})

test('a heartbeat does not wait for what is being settled, and so they never lock each other up', async () => {
  shop = await openTestShop([testTarget('erp')])
  for (let n = 0; n < 3; n++) await shop.placeOrder()
  await shop.relay()
  const [settling, held, gone] = (await claim('erp', 3)).map(({ job }) => job)
  if (!settling || !held || !gone) throw new Error('Three were to be claimed.')
  await shop.boss.deleteJob('erp', [gone])
  await shop.db.transaction().execute(async (tx) => {
    await endJobs(tx, shop.boss, { queue: 'erp', ends: [{ job: settling, end: { kind: 'end' } }] })
    const { kept, lost } = await keepJobs(shop.db, {
      queue: 'erp',
      held: [settling, held, gone],
    })
    expect([...kept]).toEqual([held.id])
    expect([...lost]).toEqual([gone.id])
  })
})
