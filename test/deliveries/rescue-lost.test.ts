import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { markActive } from '#deliveries/mark-active.ts'
import { rescueLost } from '#deliveries/rescue-lost.ts'

import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

async function claim() {
  const { db, boss } = shop
  return claimDeliveries({ db, boss }, { queue: 'erp', count: 10 })
}

async function lastBeat(when: string) {
  await sql`update pgboss.job set heartbeat_on = ${sql.raw(when)} where state = 'active'`.execute(
    shop.db,
  )
}

const rescue = () => rescueLost(shop.db, shop.boss, ['erp'])

test('what a lost worker was calling is shown as waiting for its next attempt, and its worker is named', async () => {
  shop = await openTestShop([testTarget('erp')])
  const [long, short] = [await shop.placeOrder(), await shop.placeOrder()]
  await shop.relay()
  const calls = (await claim())
    .filter(({ orderId }) => orderId === long.orderId)
    .map((delivery) => ({ delivery, begunAt: performance.now() - 5_000 }))
  await markActive(shop.db, { target: 'erp', worker: 'lost', calls })
  expect(await shop.deliveries(long.orderId)).toEqual({ erp: 'active' })
  await lastBeat(`now() - interval '11 seconds'`)

  const rescued = (await rescue()).get('erp')
  expect(rescued).toMatchObject({ jobs: 2, workers: ['lost'] })
  expect(rescued?.jobIds.toSorted()).toEqual([long.messageId, short.messageId].toSorted())
  expect(await shop.deliveries(long.orderId)).toEqual({ erp: 'retrying' })
  expect(await shop.deliveries(short.orderId)).toEqual({ erp: 'queued' })

  // The attempt that was lost keeps what is known of it.
  await claim()
  const attempts = await shop.db
    .selectFrom('orderwheel.delivery_attempts')
    .select([
      'message_id',
      'outcome',
      'worker',
      sql<boolean>`now() - started_at < interval '9 s'`.as('known'),
    ])
    .execute()
  expect(attempts).toHaveLength(2)
  expect(attempts).toContainEqual({
    message_id: long.messageId,
    outcome: 'abandoned',
    worker: 'lost',
    known: true,
  })
  expect(attempts).toContainEqual({
    message_id: short.messageId,
    outcome: 'abandoned',
    worker: 'unknown',
    known: false,
  })
})

test('a job whose sign of life is from the future, because the clock was set back, is taken back', async () => {
  shop = await openTestShop([testTarget('erp')])
  await shop.placeOrder()
  await shop.relay()
  await claim()
  await lastBeat(`now() + interval '5 seconds'`)
  expect(await rescue()).toEqual(new Map())
  await lastBeat(`now() + interval '1 hour'`)
  expect((await rescue()).get('erp')).toMatchObject({ jobs: 1, workers: [] })
})
