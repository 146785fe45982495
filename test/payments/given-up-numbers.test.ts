import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'
import { beforeEach, expect, test } from 'vitest'

import { readOpen } from '#forget/read-open.ts'
import { createOwnKind } from '#messages/own-kinds.ts'
import { cancelOrder } from '#orders/cancel-order.ts'
import { readMessage } from '#orders/read-message.ts'
import { approved, declined } from '#targets/payment/charge-result.ts'
import { customPayment } from '#targets/payment/custom-payment.ts'

import { send } from '../http/test-api.ts'
import { verifyShop } from '../support/verify-shop.ts'
import { pay, startPayingShop, type PayingShop } from './start-paying-shop.ts'

const number = 'FRESH-D'

let shop: PayingShop
let id: string

beforeEach(async () => {
  const cards = customPayment(async ({ token }) =>
    token === 'tok_good' ? approved('ch_1') : declined('insufficient funds'),
  )
  shop = await startPayingShop(cards, { kinds: new Map([['note.added', createOwnKind({})]]) })
  id = await declineOne()
})

async function declineOne(): Promise<string> {
  const { status, body } = await pay(shop, 'tok_bad', { externalId: number })
  expect(status).toBe(402)
  return (body as { orderId: string }).orderId
}

async function payOne(): Promise<string> {
  const { status, body } = await pay(shop, 'tok_good', { externalId: number })
  expect(status).toBe(202)
  return (body as { id: string }).id
}

async function addMessage(orderId: string, kind: string): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    insert into orderwheel.outbox (order_id, kind, created_at)
    values (${orderId}, ${kind}, now() - interval '2 hours')
    returning id`.execute(shop.db)
  return rows[0]?.id ?? ''
}

test('whoever looks after the shop finds a declined order by the buyer’s number, and every other that had it', async () => {
  const reader = await shop.newKey({ scopes: ['ops:read'] })
  const find = async (query: string) => {
    const { body } = await shop.get(`/ops/orders?${query}`, { authorization: `Bearer ${reader}` })
    return (body as { orders: { id: string; externalId: string; state: string }[] }).orders
  }
  expect(await find(`order=${number}`)).toMatchObject([
    { id, externalId: number, state: 'payment-declined' },
  ])
  const again = await declineOne()
  const paid = await payOne()
  const all = await find(`order=${number}`)
  expect(all.map((one) => [one.id, one.externalId])).toEqual([
    [paid, number],
    [again, number],
    [id, number],
  ])
  expect(await find(`order=${number}&state=payment-declined&limit=1`)).toMatchObject([
    { id: again },
  ])
  expect(await find(`order=${id}`)).toMatchObject([{ id, externalId: number }])
  expect(await find('order=FRESH')).toEqual([])
})

test('whoever looks up a number with SQL reads the whole story of the order that was declined', async () => {
  await addMessage(id, 'order.cancelled')
  await sql`
    insert into orderwheel.messages (id, position, order_id, kind, payload, created_at, relayed_at)
    values (uuidv7(), 1, ${id}, 'note.added', '{}', now(), now())`.execute(shop.db)
  await sql`update orderwheel.orders set forgotten_at = now(), cancelled_at = now() where id = ${id}`.execute(
    shop.db,
  )
  const paid = await payOne()
  const select = 'select order_id, external_id, event from orderwheel.order_timeline'
  const read = (where: string, value: string) =>
    shop.pool.query<Row>(`${select} where ${where} = $1 order by at, step, event`, [value])
  const { rows: story } = await read('order_id', id)
  expect(eventsOf(story)).toEqual([
    'note.added',
    'order received',
    'order.cancelled',
    'order.cancelled',
    'payment declined',
    'personal data forgotten',
  ])
  expect(new Set(story.map(({ external_id }) => external_id))).toEqual(new Set([number]))
  const { rows: both } = await read('external_id', number)
  expect(both.filter(({ order_id }) => order_id === id)).toEqual(story)
  expect(eventsOf(both.filter(({ order_id }) => order_id === paid))).toEqual([
    'order received',
    'order.placed',
    'payment captured',
  ])
  const { rows } = await shop.pool.query(`${select} where external_id like 'declined-%'`)
  expect(rows).toEqual([])
})

type Row = { order_id: string; external_id: string; event: string }

const eventsOf = (rows: Row[]) => rows.map(({ event }) => event).sort()

test('nobody is shown what stands in for the number that a declined order gave up', async () => {
  const message = await addMessage(id, 'note.added')
  expect(await readMessage(shop.db, message)).toMatchObject({ orderId: id, externalId: number })
  expect(await readOpen(shop.db, id)).toMatchObject({
    externalId: number,
    kept: ['note.added is not relayed yet'],
  })
  const { findings } = await verifyShop(shop.db, { isFull: true })
  expect(findings).toContainEqual(
    expect.objectContaining({ kind: 'message-late', orderId: id, order: number }),
  )
  await addMessage(id, 'order.cancelled')
  const cancelled = shop.db.transaction().execute((tx) => cancelOrder(tx, { id, reason: null }))
  expect(await cancelled).toMatchObject({
    kind: 'cancelled',
    isNew: false,
    cancellation: { externalId: number },
  })
})

test('a message about an order that was declined is refused as such, also by its number', async () => {
  const writer = await shop.newKey({ scopes: ['messages:write'] })
  const post = (about: object) =>
    send(`${shop.url}/messages`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${writer}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
      },
      body: JSON.stringify({ kind: 'note.added', ...about }),
    })
  expect(await post({ externalId: number })).toMatchObject({
    status: 409,
    body: { code: 'order-not-paid', orderId: id },
  })
  expect((await post({ externalId: 'FRESH' })).status).toBe(422)
  const paid = await payOne()
  expect(await post({ externalId: number })).toMatchObject({
    status: 202,
    body: { orderId: paid },
  })
})
