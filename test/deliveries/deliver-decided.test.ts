import { afterEach, expect, test } from 'vitest'

import { decideDelivery } from '#deliveries/decide-delivery.ts'
import type { Decision } from '#deliveries/decision.ts'
import { delivered, giveUp, type Outcome, tryAgain, uncertain } from '#targets/outcome.ts'
import type { Call, Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

test('an uncertain delivery that a person tries again is called once more, and what waited follows', async () => {
  const { calls } = await openShopWithErp([uncertain('no answer'), delivered()], {
    idempotent: false,
  })
  const order = await placeOrder()
  await eventually(async () => (await shop.deliveries(order.orderId)).erp === 'uncertain')

  await decide(order, 'try-again')

  await eventually(async () => (await shop.deliveries(order.orderId)).email === 'delivered')
  expect(await shop.deliveries(order.orderId)).toEqual({ erp: 'delivered', email: 'delivered' })
  expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2])
  expect(new Set(calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1)
})

test('a target with a lookup is asked before an uncertain delivery is repeated', async () => {
  const { calls, worker } = await openShopWithErp([uncertain('no answer')], { idempotent: false })
  const order = await placeOrder()
  await eventually(async () => (await shop.deliveries(order.orderId)).erp === 'uncertain')
  await worker.stop()
  shop.startWorker({
    targets: [
      testTarget('erp', {
        idempotent: false,
        lookup: async () => ({ kind: 'known' }),
        call: () => Promise.reject(new Error('It must not be called.')),
      }),
    ],
  })

  await decide(order, 'try-again')

  await eventually(async () => (await shop.deliveries(order.orderId)).erp === 'delivered')
  expect(calls).toHaveLength(1)
})

test('a dead letter that is tried again has all its attempts, and may die a second time', async () => {
  const { calls } = await openShopWithErp([tryAgain('HTTP 500')], {
    circuit: null,
    retry: { attempts: 2, delaySeconds: 1, maxDelaySeconds: 1 },
  })
  const order = await placeOrder()
  await dies(order)
  expect(calls).toHaveLength(2)

  await decide(order, 'try-again')
  await dies(order)

  expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4])
  const { rows } = await shop.pool.query(
    `select resolution from orderwheel.dead_letters where order_id = $1 order by id`,
    [order.orderId],
  )
  expect(rows).toEqual([{ resolution: 'replayed' }, { resolution: null }])
})

test('a dead letter holds back only its order’s later messages, until it is skipped', async () => {
  const { calls } = await openShopWithErp([giveUp('unknown sku'), delivered()])
  const order = await placeOrder()
  await eventually(async () => (await shop.deliveries(order.orderId)).erp === 'dead')
  const cancellation = await shop.addMessage(order.orderId, 'order.cancelled')
  await shop.relay()
  const another = await placeOrder()
  await eventually(async () => (await shop.deliveries(another.orderId)).erp === 'delivered')
  expect(calls.filter(({ message }) => message.id === cancellation)).toEqual([])

  await decide(order, 'skip')

  await eventually(() => calls.some(({ message }) => message.id === cancellation))
})

/** A shop with a worker, whose ERP answers with these outcomes in turn, the last one for ever. */
async function openShopWithErp(answers: Outcome[], options: Partial<Target> = {}) {
  const calls: Call[] = []
  const erp = testTarget('erp', {
    ...options,
    call: async (call) => {
      const answer = answers[Math.min(calls.length, answers.length - 1)]
      calls.push(call)
      return answer ?? delivered()
    },
  })
  shop = await openTestShop([erp, testTarget('email', { after: ['erp'] })], {
    'order.placed': ['erp', 'email'],
    'order.cancelled': ['erp'],
  })
  return { calls, worker: shop.startWorker() }
}

type Order = Awaited<ReturnType<TestShop['placeOrder']>>

async function placeOrder(): Promise<Order> {
  const placed = await shop.placeOrder()
  await shop.relay()
  return placed
}

async function decide({ messageId }: Order, decision: Decision): Promise<void> {
  const request = { messageId, target: 'erp', decision, who: 'eva', reason: 'looked into it' }
  expect(await decideDelivery(shop, request)).toMatchObject({ kind: 'decided' })
}

async function dies({ orderId }: Order): Promise<void> {
  await eventually(async () => {
    await shop.letTimePass()
    return (await shop.deliveries(orderId)).erp === 'dead'
  })
}
