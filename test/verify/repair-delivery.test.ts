import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { takeMessages } from '#outbox/take-messages.ts'
import { addDeliveries } from '#relay/add-deliveries.ts'
import { explainFinding } from '#verify/explain-finding.ts'
import { repairFinding, type Repaired } from '#verify/repair.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'

let shop: TestShop
let told: string[]

beforeEach(async () => {
  told = []
  const erp = testTarget('erp', {
    call: async ({ message }) => {
      told.push(message.kind)
      return { kind: 'delivered' }
    },
  })
  shop = await openTestShop([erp], { 'order.placed': ['erp'], 'order.cancelled': ['erp'] })
})
afterEach(() => shop.close())

/** An order whose placing was relayed, and of which the delivery is gone, with its job. */
async function loseDelivery() {
  const { orderId, messageId } = await shop.placeOrder()
  await shop.relay()
  await sql`delete from pgboss.job where id = ${messageId}`.execute(shop.db)
  await sql`delete from orderwheel.deliveries where message_id = ${messageId}`.execute(shop.db)
  return { orderId, messageId }
}

async function repair(): Promise<Repaired['kind'][]> {
  const deps = { ...shop, who: 'eva', afterOf: () => [] }
  const { findings } = await verifyShop(shop.db, { isFull: true })
  const came: Repaired['kind'][] = []
  for (const one of findings) came.push((await repairFinding(deps, one)).kind)
  return came
}

test('a target that was told of a cancellation is not told after it that the order was placed', async () => {
  const { orderId, messageId } = await loseDelivery()
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()
  const worker = shop.startWorker()
  await eventually(() => told.length)
  await worker.stop()

  expect(await repair()).toEqual(['for-a-person'])
  const found = await verifyShop(shop.db, { isFull: true })
  expect(listFound(found)).toEqual(['delivery-missing erp'])
  // The command that is named works.
  const mends = found.findings.map((finding) => explainFinding(finding).mend)
  expect(mends[0]).toContain('a later message of the order may have been told there')
  const insert = /insert into .*?(?=, then orderwheel order)/.exec(mends[0] ?? '')?.[0]
  await sql.raw(insert ?? '').execute(shop.db)
  expect(await verifyShop(shop.db, { isFull: true })).toMatchObject({ findings: [] })
  expect(
    await shop.db
      .selectFrom('orderwheel.deliveries')
      .select('state')
      .where('message_id', '=', messageId)
      .execute(),
  ).toEqual([{ state: 'uncertain' }])
  expect(told).toEqual(['order.cancelled'])
})

test('nor while the cancellation has a job, which may be in a worker’s hands', async () => {
  const { orderId } = await loseDelivery()
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()
  expect(await repair()).toEqual(['for-a-person'])
})

test('a cancellation that comes or waits is told after the delivery that was written again', async () => {
  const { orderId } = await loseDelivery()
  await shop.addMessage(orderId, 'order.cancelled')
  expect(await repair()).toEqual(['mended'])
  await shop.relay()
  shop.startWorker()
  await eventually(() => told.length === 2)
  expect(told).toEqual(['order.placed', 'order.cancelled'])
})

test('a repair waits for a relay that is giving the cancellation its job', async () => {
  const { orderId } = await loseDelivery()
  await shop.addMessage(orderId, 'order.cancelled')
  let repairing: Promise<Repaired['kind'][]> | undefined
  await shop.db.transaction().execute(async (tx) => {
    const taken = await takeMessages(
      tx,
      { limit: 10 },
      { routes: shop.relayOptions.routes, payee: 'payment' },
    )
    const deliveries = taken.map(({ id, ...message }) => ({ messageId: id, ...message }))
    await addDeliveries(
      tx,
      deliveries.map((delivery) => ({
        ...delivery,
        target: 'erp',
        after: [],
        withdrawn: false,
        shed: false,
      })),
    )
    repairing = repair()
    await eventually(async () => {
      const { rows } = await sql`
        select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`.execute(shop.db)
      return rows.length
    })
  })
  expect(await repairing).toEqual(['for-a-person'])
})
