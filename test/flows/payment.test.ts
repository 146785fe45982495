import { randomUUID } from 'node:crypto'

import { expect, onTestFinished, test } from 'vitest'

import { readTimeline } from '#status/read-timeline.ts'
import { approved, declined } from '#targets/payment/charge-result.ts'
import { customPayment } from '#targets/payment/custom-payment.ts'

import { newOrder, startTestApi } from '../http/test-api.ts'
import {
  cardPayment,
  outboxOf,
  pay,
  paymentOf,
  type PayingShop,
  startCardGateway,
  startPayingShop,
} from '../payments/start-paying-shop.ts'
import { freePort } from '../targets/support/start-receiver.ts'

type Placed = { id: string; state: string }
type Problem = { code: string; detail: string; orderId?: string; declineCode?: string }

test('a buyer whose card is good has an order that is paid and told', async () => {
  const cards = await startCardGateway()
  const shop = await startPayingShop(cardPayment(cards.url))
  const answer = await pay(shop, 'tok_approve')
  expect(answer.status).toBe(202)
  const { id, state } = answer.body as Placed
  expect(state).toBe('received')
  expect(await outboxOf(shop)).toEqual(['order.placed'])

  const [charge, ...others] = await cards.charges()
  expect(others).toEqual([])
  expect(charge).toMatchObject({ key: id, amount: 46_350, status: 'captured' })
  const { body, text } = await shop.get(`/orders/${id}`)
  expect(body).toMatchObject({
    state: 'received',
    order: { payment: { status: 'captured', provider: 'cards', reference: charge?.id } },
    payment: { status: 'captured', reference: charge?.id, attempts: 1, reason: null },
  })
  expect(text).not.toContain('tok_approve')
  expect(await paymentOf(shop, id)).toMatchObject({ token: null })
  expect(JSON.stringify(shop.logged)).not.toContain('tok_approve')
  const story = (await readTimeline(shop.db, id)).map(({ event, detail }) => [event, detail])
  expect(story).toEqual([
    ['order received', null],
    ['payment captured', `cards ${charge?.id}`],
    ['order.placed', 'not relayed yet'],
  ])
})

test('a card number in place of a token is refused, and comes into no table, no log and no gateway', async () => {
  const cards = await startCardGateway()
  const shop = await startPayingShop(cardPayment(cards.url))
  const written = ['4242424242424242', '4242 4242 4242 4242', '3782-822463-10005']
  for (const token of written) {
    const refused = await pay(shop, token)
    expect(refused).toMatchObject({
      status: 422,
      body: {
        code: 'invalid-order',
        errors: [
          {
            pointer: '/payment/token',
            detail: expect.stringContaining('looks like a card number'),
          },
        ],
      },
    })
    expect(refused.text).not.toContain(token)
  }
  expect(await cards.charges()).toEqual([])
  expect((await pay(shop, 'tok_approve', { externalId: 'WEB-4242' })).status).toBe(202)
  const stored = await readEveryTable(shop)
  expect(stored).toContain('WEB-4242')
  const said = JSON.stringify(shop.logged)
  for (const token of written) {
    expect(stored).not.toContain(token)
    expect(said).not.toContain(token)
  }
})

async function readEveryTable({ pool }: PayingShop): Promise<string> {
  const tables = await pool.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname in ('orderwheel', 'pgboss')`,
  )
  const rows = tables.rows.map(({ name }) => `select t::text as text from ${name} t`)
  const all = await pool.query<{ text: string }>(rows.join(' union all '))
  return all.rows.map(({ text }) => text).join('\n')
}

test('a declined card is answered with 402, each time, and another card can pay the same order', async () => {
  const cards = await startCardGateway()
  const shop = await startPayingShop(cardPayment(cards.url))
  const order = newOrder({ externalId: 'WEB-7', payment: { token: 'tok_decline' } })
  const idempotencyKey = randomUUID()
  const first = await shop.post(order, { idempotencyKey })
  expect(first.status).toBe(402)
  const { code, detail, orderId, declineCode } = first.body as Problem
  expect({ code, declineCode }).toEqual({ code: 'payment-declined', declineCode: 'card_declined' })
  expect(detail).toContain('insufficient funds')
  expect(await outboxOf(shop)).toEqual([])

  const again = await shop.post(order, { idempotencyKey })
  expect(again.status).toBe(402)
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await cards.charges()).toHaveLength(1)
  expect((await shop.get('/orders?externalId=WEB-7')).body).toMatchObject({
    id: orderId,
    externalId: 'WEB-7',
    state: 'payment-declined',
    payment: { status: 'declined', reason: 'insufficient funds' },
  })

  const other = await pay(shop, 'tok_approve', { externalId: 'WEB-7' })
  expect(other.status).toBe(202)
  const { id } = other.body as Placed
  expect((await shop.get('/orders?externalId=WEB-7')).body).toMatchObject({ id, state: 'received' })
  // The declined one keeps its answer, and its number for people.
  expect((await shop.post(order, { idempotencyKey })).status).toBe(402)
  expect((await shop.get(`/orders/${orderId}`)).body).toMatchObject({
    externalId: 'WEB-7',
    state: 'payment-declined',
  })
  expect((await pay(shop, 'tok_approve', { externalId: 'WEB-7' })).status).toBe(409)
})

test.each(['tok_timeout_after_charge', 'tok_500_after_charge'])(
  'a gateway that charges and does not say so (%s) charges once, and the order is told',
  async (token) => {
    const cards = await startCardGateway()
    const shop = await startPayingShop(cardPayment(cards.url, { deadlineSeconds: 0.5 }))
    const order = newOrder({ payment: { token } })
    const idempotencyKey = randomUUID()
    const answer = await shop.post(order, { idempotencyKey })
    expect(answer.status).toBe(202)
    const { id, state } = answer.body as Placed
    expect(state).toBe('awaiting-payment')
    expect(await outboxOf(shop)).toEqual([])
    expect((await shop.get(`/orders/${id}`)).body).toMatchObject({
      state: 'awaiting-payment',
      payment: { status: 'pending', reference: null },
    })
    // A storefront that asks again is not charged again.
    const again = await shop.post(order, { idempotencyKey })
    expect([again.status, (again.body as Placed).state]).toEqual([202, 'awaiting-payment'])

    expect(await shop.reconcile()).toBe(1)
    expect(await outboxOf(shop)).toEqual(['order.placed'])
    expect(await cards.charges()).toHaveLength(1)
    expect((await shop.get(`/orders/${id}`)).body).toMatchObject({
      state: 'received',
      payment: { status: 'captured', attempts: 2 },
    })
    const last = await shop.post(order, { idempotencyKey })
    expect([last.status, (last.body as Placed).state]).toEqual([202, 'received'])
    expect(await shop.reconcile()).toBe(0)
  },
)

test('a card that turns out to be declined later makes an order that nobody is told of', async () => {
  const answers = [new Error('the line went dead'), declined('lost card')]
  const shop = await startPayingShop(
    customPayment(async () => {
      const [answer] = answers.splice(0, 1)
      if (answer instanceof Error || !answer) throw answer ?? new Error('asked too often')
      return answer
    }),
  )
  const { id } = (await pay(shop, 'tok_x')).body as Placed
  await shop.reconcile()
  expect((await shop.get(`/orders/${id}`)).body).toMatchObject({
    state: 'payment-declined',
    payment: { status: 'declined', reason: 'lost card' },
  })
  expect(await outboxOf(shop)).toEqual([])
})

test('the same request while the card is being charged is answered 409, and charges nothing', async () => {
  const held = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  let charges = 0
  const shop = await startPayingShop(
    customPayment(async () => {
      charges += 1
      begun.resolve()
      await held.promise
      return approved('ch_1')
    }),
  )
  const order = newOrder({ payment: { token: 'tok_x' } })
  const idempotencyKey = randomUUID()
  const first = shop.post(order, { idempotencyKey })
  await begun.promise
  const second = await shop.post(order, { idempotencyKey })
  expect(second.status).toBe(409)
  expect(second.body).toMatchObject({ code: 'request-in-progress' })
  expect(second.headers.get('retry-after')).toBe('1')
  // Nor does a relay ask meanwhile.
  held.resolve()
  expect((await first).status).toBe(202)
  expect((await shop.post(order, { idempotencyKey })).status).toBe(202)
  expect(charges).toBe(1)
})

test('a gateway that cannot be reached leaves nothing behind, and the same request works once it can', async () => {
  const cards = await startCardGateway()
  let url = `http://127.0.0.1:${await freePort()}`
  const shop = await startPayingShop(
    customPayment(async ({ token, idempotencyKey, http }) => {
      const { status } = await http({
        url: `${url}/payment/charges`,
        body: { token, amount: 1, currency: 'EUR' },
      })
      return status === 201 ? approved(idempotencyKey) : declined('no')
    }),
  )
  const order = newOrder({ payment: { token: 'tok_approve' } })
  const idempotencyKey = randomUUID()
  const down = await shop.post(order, { idempotencyKey })
  expect(down.status).toBe(503)
  expect(down.body).toMatchObject({ code: 'payment-unavailable' })
  expect(down.headers.get('retry-after')).toBe('5')
  expect(await shop.db.selectFrom('orderwheel.orders').select('id').execute()).toEqual([])

  ;({ url } = cards)
  expect((await shop.post(order, { idempotencyKey })).status).toBe(202)
  expect(await cards.charges()).toHaveLength(1)
})

test('two requests for one order number charge one card', async () => {
  const cards = await startCardGateway()
  const shop = await startPayingShop(cardPayment(cards.url))
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => pay(shop, 'tok_approve', { externalId: 'WEB-1' })),
  )
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(9)
  expect(await cards.charges()).toHaveLength(1)
})

test('without a gateway, an order with a token is refused', async () => {
  const api = await startTestApi()
  onTestFinished(() => api.close())
  const answer = await pay(api, 'tok_approve')
  expect(answer.status).toBe(422)
  expect(answer.text).toContain('no payment gateway is configured')
  expect(answer.text).not.toContain('tok_approve')
})
