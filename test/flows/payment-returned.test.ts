import { expect, onTestFinished, test } from 'vitest'

import type { MessageKind } from '#messages/message-kinds.ts'
import { readOrder } from '#orders/read-order.ts'
import { recordSettled } from '#payments/record-charge.ts'
import { giveUp } from '#targets/outcome.ts'
import type { HttpPaymentOptions } from '#targets/payment/http-payment.ts'

import { startTestApi } from '../http/test-api.ts'
import { cardPayment, createPayment, pay, startCardGateway } from '../payments/start-paying-shop.ts'
import { eventually } from '../support/eventually.ts'
import { openTestShop } from '../support/test-shop.ts'

/** A shop with workers whose orders are charged by the simulated gateway. */
async function openShop(more: Partial<HttpPaymentOptions>) {
  const cards = await startCardGateway()
  const config = createPayment(
    cardPayment(cards.url, {
      refund: ({ reference, http }) => http({ url: '/refunds', body: { charge: reference } }),
      void: ({ reference, http }) => http({ url: '/voids', body: { charge: reference } }),
      ...more,
    }),
  )
  const api = await startTestApi({ payment: config.payment })
  const database = { ...api, close: async () => {} }
  const shop = await openTestShop(config.targets, config.routes, database)
  onTestFinished(async () => {
    await shop.close()
    await api.close()
    await config.payment.close()
  })
  const worker = shop.startWorker()
  return {
    ...shop,
    cards,
    gateway: config.payment,
    pay: async (token = 'tok_approve') => ((await pay(api, token)).body as { id: string }).id,
    /** The order's message, and everything that follows from it. */
    async tell(orderId?: string, kind: MessageKind = 'order.cancelled') {
      if (orderId) await shop.addMessage(orderId, kind)
      await shop.relay()
      worker.refresh()
      await worker.drained(AbortSignal.timeout(30_000))
    },
    statusOf: async (id: string) => (await readOrder(shop.db, { id }))?.payment?.status,
    calls: async (path: string) => {
      const calls = (await (await fetch(`${cards.url}/payment/calls`)).json()) as {
        path: string
        idempotencyKey: string
      }[]
      return calls.filter((call) => call.path === `/payment${path}`)
    },
  }
}

test('what was charged for an order that is cancelled is given back, once', async () => {
  const shop = await openShop({})
  const id = await shop.pay()
  await shop.tell()
  expect(await shop.statusOf(id)).toBe('captured')
  await shop.tell(id)
  expect(await shop.deliveries(id)).toMatchObject({ payment: 'delivered' })
  expect(await shop.statusOf(id)).toBe('refunded')
  // Somebody cancels it again.
  await shop.tell(id)
  expect((await shop.cards.charges()).map(({ status }) => status)).toEqual(['refunded'])
  const keys = (await shop.calls('/refunds')).map(({ idempotencyKey }) => idempotencyKey)
  expect(new Set(keys)).toEqual(new Set([`${id}-refund`]))
})

test('what was authorised is captured when the ERP has the order, and refunded when it is cancelled then', async () => {
  const shop = await openShop({
    mode: 'authorise',
    capture: ({ reference, http }) => http({ url: '/captures', body: { charge: reference } }),
    captureAfter: ['erp'],
  })
  const id = await shop.pay()
  expect(await shop.statusOf(id)).toBe('authorized')
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({ erp: 'delivered', payment: 'delivered' })
  expect(await shop.statusOf(id)).toBe('captured')
  await shop.tell(id)
  expect(await shop.statusOf(id)).toBe('refunded')
  expect(await shop.calls('/captures')).toHaveLength(1)
  expect(await shop.calls('/voids')).toEqual([])
})

test('what was authorised and not captured is voided, without waiting for the ERP', async () => {
  const shop = await openShop({ mode: 'authorise' })
  const id = await shop.pay()
  await shop.tell(id)
  expect(await shop.statusOf(id)).toBe('voided')
  expect((await shop.cards.charges()).map(({ status }) => status)).toEqual(['voided'])
  expect(await shop.calls('/refunds')).toEqual([])
})

test('a gateway that refuses to give back leaves a dead letter that can be replayed', async () => {
  let refuse = true
  const shop = await openShop({
    refund: async ({ reference, http }) =>
      refuse
        ? giveUp('refunds are closed today')
        : http({ url: '/refunds', body: { charge: reference } }),
  })
  const id = await shop.pay()
  await shop.tell(id)
  expect(await shop.deliveries(id)).toMatchObject({ payment: 'dead' })
  const report = await readOrder(shop.db, { id })
  expect(report).toMatchObject({ state: 'needs-attention', payment: { status: 'captured' } })
  refuse = false
})

test('an order paid elsewhere is not ours to give back', async () => {
  const shop = await openShop({})
  const { orderId } = await shop.placeOrder()
  await shop.tell(orderId)
  expect(await shop.deliveries(orderId)).toMatchObject({ payment: 'delivered' })
  expect(await shop.calls('/refunds')).toEqual([])
})

test('an order that is cancelled before it is known to be paid is not told as placed, and gets its money back', async () => {
  const shop = await openShop({ deadlineSeconds: 0.2 })
  const id = await shop.pay('tok_timeout_after_charge')
  await shop.addMessage(id, 'order.cancelled')
  await recordSettled(shop.db, {
    orderId: id,
    settled: { kind: 'approved', reference: (await shop.cards.charges())[0]?.id ?? '' },
  })
  await shop.tell()
  const kinds = await shop.db.selectFrom('orderwheel.messages').select('kind').execute()
  expect(kinds).toEqual([{ kind: 'order.cancelled' }])
  await eventually(async () => (await shop.statusOf(id)) === 'refunded')
})
