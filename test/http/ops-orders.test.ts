import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { delivered, giveUp } from '#targets/outcome.ts'

import { beginMonthsAgo, placeOrderMonthsAgo } from '../support/past-months.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { verifyShop } from '../support/verify-shop.ts'
import { newOrder, startTestApi, type TestApi } from './test-api.ts'

type Page = { orders: { id: string; externalId: string; state: string }[]; next: string | null }

let api: TestApi
let shop: TestShop
let reader: string
const refused = new Set<string>()

beforeEach(async () => {
  refused.clear()
  api = await startTestApi()
  reader = await api.newKey({ scopes: ['ops:read'] })
  const erp = testTarget('erp', {
    call: async ({ order }) => (refused.has(order.id) ? giveUp('no') : delivered()),
  })
  shop = await openTestShop([erp], { 'order.placed': ['erp'], 'order.cancelled': ['erp'] }, api)
})
afterEach(() => shop.close())

const get = (query: string, key = reader) =>
  api.get(`/ops/orders?${query}`, { authorization: `Bearer ${key}` })

const find = async (query: string) => (await get(query)).body as Page

const idsOf = ({ orders }: Page) => orders.map(({ id }) => id)

async function place(email: string): Promise<{ id: string; externalId: string }> {
  const order = newOrder()
  const placed = await api.post({ ...order, customer: { ...order.customer, email } })
  return placed.body as { id: string; externalId: string }
}

async function workAll() {
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(30_000))
  await worker.stop()
}

test('orders are found by either number and by the customer’s address in any case, the newest first', async () => {
  const first = await place('Ada@example.com')
  const second = await place('ada@example.com')
  const other = await place('bob@example.com')
  expect(idsOf(await find(''))).toEqual([other.id, second.id, first.id])
  expect(idsOf(await find(`order=${first.externalId}`))).toEqual([first.id])
  expect(idsOf(await find(`order=${first.id.toUpperCase()}`))).toEqual([first.id])
  expect(idsOf(await find('email=ADA@EXAMPLE.com'))).toEqual([second.id, first.id])
  expect(idsOf(await find(`email=ada@example.com&order=${other.externalId}`))).toEqual([])
  expect(await find('order=WEB-nowhere')).toEqual({ orders: [], next: null })
})

test('a list says what became of each order, and nothing personal', async () => {
  const { id, externalId } = await place('ada@example.com')
  await workAll()
  const answer = await get('')
  expect(answer.body).toEqual({
    orders: [
      {
        id,
        externalId,
        state: 'completed',
        receivedAt: expect.stringMatching(/Z$/),
        currency: 'EUR',
        total: expect.any(Number),
        deliveries: [{ target: 'erp', state: 'delivered' }],
      },
    ],
    next: null,
  })
  expect(answer.text).not.toMatch(/ada/i)
})

// Old ones are found among what the next verification looks at, new ones after its watermark.
test.each([0, 1])(
  'orders of %s months ago are found by their state, verified or not',
  async (months) => {
    await beginMonthsAgo(api.db, 2)
    const byState = {
      completed: await placeOrderMonthsAgo(api.db, months),
      cancelled: await placeOrderMonthsAgo(api.db, months),
      'needs-attention': await placeOrderMonthsAgo(api.db, months),
    }
    refused.add(byState['needs-attention'].orderId)
    await shop.addMessage(byState.cancelled.orderId, 'order.cancelled')
    await workAll()
    const late = await placeOrderMonthsAgo(api.db, months)
    await shop.relay()
    const waits = await placeOrderMonthsAgo(api.db, months)
    const expected = { ...byState, processing: late, received: waits }

    for (const verify of [async () => {}, () => verifyShop(api.db, { isFull: true })]) {
      await verify()
      for (const [state, { orderId }] of Object.entries(expected))
        expect([state, idsOf(await find(`state=${state}`))]).toEqual([state, [orderId]])
    }
  },
)

test('an old order is found again by its state when something new is to be told of it', async () => {
  await beginMonthsAgo(api.db, 2)
  const { orderId } = await placeOrderMonthsAgo(api.db, 1)
  await workAll()
  await verifyShop(api.db, { isFull: true })
  expect(idsOf(await find('state=needs-attention'))).toEqual([])

  await shop.addMessage(orderId, 'order.placed')
  expect(idsOf(await find('state=processing'))).toEqual([orderId])
  await shop.relay()
  expect(idsOf(await find('state=processing'))).toEqual([orderId])
})

test('a page ends where the next begins, with a state and without', async () => {
  for (let placed = 0; placed < 5; placed += 1) await place('ada@example.com')
  const all = idsOf(await find(''))
  for (const query of ['', 'state=received&', 'email=ada@example.com&']) {
    const first = await find(`${query}limit=2`)
    const second = await find(`${query}limit=2&after=${first.next}`)
    const third = await find(`${query}limit=2&after=${second.next}`)
    expect([first, second, third].map(idsOf)).toEqual([
      all.slice(0, 2),
      all.slice(2, 4),
      all.slice(4),
    ])
    expect(third.next).toBe(null)
  }
})

test('orders are found by when they came in', async () => {
  await beginMonthsAgo(api.db, 3)
  const old = await placeOrderMonthsAgo(api.db, 2)
  const young = await placeOrderMonthsAgo(api.db, 0)
  const between = new Date(Date.now() - 30 * 86_400_000).toISOString()
  for (const state of ['', '&state=received']) {
    expect(idsOf(await find(`since=${between}${state}`))).toEqual([young.orderId])
    expect(idsOf(await find(`until=${between}${state}`))).toEqual([old.orderId])
    expect(idsOf(await find(`since=0001-01-01T00:00:00Z${state}`))).toHaveLength(2)
  }
})

test('an address is looked for among so many orders at a time, and the answer says where to go on', async () => {
  const { id } = await place('ada@example.com')
  await sql`
    insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
    select 'MANY-' || n, uuidv7(), 'MANY-' || n, sha256(''), '{}' from generate_series(1, 20000) n`.execute(
    api.db,
  )
  const first = await find('email=ada@example.com')
  expect(first).toEqual({ orders: [], next: expect.any(String) })
  expect(idsOf(await find(`email=ada@example.com&after=${first.next}`))).toEqual([id])
})

test('an order that needs a person is found behind thousands that do not', async () => {
  const { orderId } = await placeOrderMonthsAgo(api.db, 1)
  refused.add(orderId)
  await workAll()
  await sql`
    insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
    select 'MANY-' || n, uuidv7(), 'MANY-' || n, sha256(''), '{}' from generate_series(1, 10000) n`.execute(
    api.db,
  )
  expect(idsOf(await find('state=needs-attention'))).toEqual([orderId])
})

test.each([
  'limit=0',
  'limit=501',
  'state=lost',
  'after=x',
  'order=',
  'order=%00',
  'order=WEB%27%20or%201=1',
  'email=ada',
  'email=ada@example.com%00',
  'since=yesterday',
  'until=2016-12-31T23:59:60Z',
  'unknown=1',
  'limit=2&limit=3',
])('a query that makes no sense is refused: %s', async (query) => {
  const answer = await get(query)
  expect(answer.body).toMatchObject({ status: 422, code: 'invalid-query' })
})

test('only keys of operators see the list', async () => {
  expect((await get('', api.key)).status).toBe(403)
  expect((await get('', 'ow_live_wrong')).status).toBe(401)
})
