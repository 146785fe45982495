import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { exampleOrder } from '#messages/example-order.ts'
import { beforeAllOrders, readOrders } from '#reports/read-orders.ts'

import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
beforeAll(async () => {
  shop = await openTestShop([testTarget('erp'), testTarget('payment')], {
    'order.placed': ['erp', 'payment'],
    'order.cancelled': ['payment'],
  })
})
afterAll(() => shop.close())

const day = () => ({
  from: new Date(Date.now() - 43_200_000),
  to: new Date(Date.now() + 43_200_000),
})

async function readAll(limit: number) {
  const all = []
  let after = beforeAllOrders
  for (;;) {
    const page = await readOrders(shop.db, day(), { after, limit })
    all.push(...page)
    if (page.length < limit) return all
    after = page.at(-1)?.id ?? after
  }
}

test('each order is read once, page by page, with the state it has at that moment', async () => {
  const first = await shop.placeOrder()
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
  const second = await shop.placeOrder()
  const third = await shop.placeOrder()
  await shop.addMessage(third.orderId, 'order.cancelled')
  const states = (await readAll(2)).map(({ id, state }) => [id, state])
  expect(states).toEqual([
    [first.orderId, 'completed'],
    [second.orderId, 'received'],
    [third.orderId, 'cancelled'],
  ])
  await shop.relay()
  expect((await readAll(1)).map(({ state }) => state)).toEqual([
    'completed',
    'processing',
    'cancelled',
  ])
})

test('a charge that was made here says what became of it: captured, then refunded', async () => {
  const { rows } = await shop.pool.query<{ id: string }>(
    `insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
     values ('PAID', $1, 'paid', decode(repeat('00', 32), 'hex'), $2) returning id`,
    [randomUUID(), exampleOrder('PAID')],
  )
  const id = rows[0]?.id ?? ''
  await shop.pool.query(
    `insert into orderwheel.payments (order_id, external_id, state, provider, mode, reference, settled_at)
     values ($1, 'PAID', 'captured', 'gateway', 'capture', 'ch_1', now())`,
    [id],
  )
  const payment = async () => (await readAll(100)).find((order) => order.id === id)?.payment
  expect(await payment()).toEqual({ status: 'captured', provider: 'gateway', reference: 'ch_1' })
  await shop.addMessage(id, 'order.placed')
  await shop.addMessage(id, 'order.cancelled')
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
  expect(await payment()).toMatchObject({ status: 'refunded' })
})
