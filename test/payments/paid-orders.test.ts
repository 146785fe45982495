import { createClient, type Order } from 'orderwheel/client'
import { expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { findReceipt } from '#orders/find-receipt.ts'
import { reconcilePayments } from '#payments/reconcile-payments.ts'
import { approved } from '#targets/payment/charge-result.ts'
import { textAt } from '#targets/text-at.ts'

import { newOrder } from '../http/test-api.ts'
import {
  cardPayment,
  createPayment,
  letPaymentsBeDue,
  pay,
  paymentOf,
  startCardGateway,
  startPayingShop,
} from './start-paying-shop.ts'

type Body = { id: string; code: string; detail: string }

test('an api that may not deliver charges nobody, and says why', async () => {
  const cards = await startCardGateway()
  const deployment = { environment: 'staging', deliver: 'no', mayClaim: false } as const
  const shop = await startPayingShop(cardPayment(cards.url), { deployment })
  for (const token of ['tok_approve', 'tok_decline']) {
    const { status, body, headers } = await pay(shop, token)
    expect(status).toBe(503)
    expect(body).toMatchObject({
      code: 'payment-unavailable',
      detail:
        'Nothing was charged and nothing was stored. ORDERWHEEL_DELIVER is no: nothing is delivered from here.',
    })
    expect(headers.get('retry-after')).toBe('60')
  }
  expect(await cards.charges()).toEqual([])
  expect(await shop.db.selectFrom('orderwheel.orders').select('id').execute()).toEqual([])
  expect((await shop.post(newOrder())).status).toBe(202)
})

test('the receipt of an order whose payment is not known yet is not ready, rather than never', async () => {
  const cards = await startCardGateway()
  const shop = await startPayingShop(cardPayment(cards.url, { deadlineSeconds: 0.2 }))
  const { id } = (await pay(shop, 'tok_timeout_after_charge')).body as Body
  const wanted = { orderId: id, targets: ['receipt'], kinds: ['order.placed'], had: [] }
  expect(await findReceipt(shop.db, wanted)).toEqual({ kind: 'not-ready', why: 'on-its-way' })
})

test('a 402 that the configuration does not explain is a decline', async () => {
  const cards = await startCardGateway()
  const shop = await startPayingShop(
    cardPayment(cards.url, {
      answer: ({ status, json }) =>
        status === 201 ? approved(textAt(json(), '/id') ?? '') : undefined,
    }),
  )
  const { status, body } = await pay(shop, 'tok_decline')
  expect([status, (body as Body).code]).toEqual([402, 'payment-declined'])
})

test('what was begun as an authorisation stays one, whatever the configuration says when it is known', async () => {
  const cards = await startCardGateway()
  const before = cardPayment(cards.url, { mode: 'authorise', deadlineSeconds: 0.2 })
  const shop = await startPayingShop(before)
  const { id } = (await pay(shop, 'tok_timeout_after_charge')).body as Body
  const { payment: gateway } = createPayment(
    cardPayment(cards.url, {
      mode: 'capture',
      provider: 'others',
      body: ({ token, amount, currency, mode }) => ({
        token: token.replace('_timeout_after_charge', `_approve_${mode}`),
        amount,
        currency,
      }),
    }),
  )
  await letPaymentsBeDue(shop)
  const log = createLog('test', 'silent')
  await reconcilePayments({
    db: shop.db,
    gateway,
    log,
    mayCharge: async () => true,
    outboxChanged: () => {},
  })
  expect(await paymentOf(shop, id)).toMatchObject({ state: 'authorized', provider: 'cards' })
  const { document } = await shop.db
    .selectFrom('orderwheel.orders')
    .select('document')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  expect(document).toMatchObject({
    payment: { status: 'authorized', provider: 'cards', mode: 'authorise' },
  })
  await gateway.close()
})

test('a client says that nothing was charged, and with which code a card was declined', async () => {
  const answering = (status: number, body: object) =>
    createClient({
      url: 'http://orders.example',
      apiKey: 'ow_test',
      timeoutSeconds: 1,
      fetch: async () =>
        Response.json(
          { status, title: 'No', ...body },
          { status, headers: { 'retry-after': '9' } },
        ),
    })
  const order: Order = newOrder({ payment: { token: 'tok_approve' } })
  await expect(
    answering(503, { code: 'payment-unavailable' }).placeOrder(order),
  ).rejects.toMatchObject({ name: 'ProblemError', code: 'payment-unavailable' })
  await expect(
    answering(402, { code: 'payment-declined', declineCode: 'expired_card' }).placeOrder(order),
  ).rejects.toMatchObject({ code: 'payment-declined', declineCode: 'expired_card' })
})
