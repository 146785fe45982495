import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { eventually } from '../support/eventually.ts'
import { newOrder, someoneWaitsForALock, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api.close())

async function storedOrders(externalId: string): Promise<number> {
  const { rows } = await api.pool.query(
    `select o.id, b.id as message from orderwheel.orders o left join orderwheel.outbox b on b.order_id = o.id
      where external_id = $1`,
    [externalId],
  )
  return rows.filter((row) => row.message !== null).length
}

test('an order is accepted with 202 and can be read back by id and by external id', async () => {
  const order = newOrder()
  const placed = await api.post(order)
  const { id } = placed.body as { id: string }
  expect(placed).toMatchObject({
    status: 202,
    body: {
      id,
      externalId: order.externalId,
      state: 'received',
      links: { self: `/orders/${id}`, status: expect.stringMatching(/^\/status\/[\w-]{43}$/) },
    },
  })
  expect(placed.headers.get('location')).toBe(`/orders/${id}`)
  const read = await api.get(`/orders/${id}`)
  expect(read).toMatchObject({
    status: 200,
    body: { id, state: 'received', order, messages: [{ kind: 'order.placed', relayedAt: null }] },
  })
  const found = await api.get(`/orders?externalId=${order.externalId}`)
  expect(found).toMatchObject({ status: 200, body: read.body })
})

test('the same request again gets the same answer, and one order is stored', async () => {
  const order = newOrder()
  const idempotencyKey = randomUUID()
  const first = await api.post(order, { idempotencyKey })
  const again = await api.post(order, { idempotencyKey })
  expect(again.status).toBe(202)
  expect(again.text).toBe(first.text)
  expect(again.headers.get('location')).toBe(first.headers.get('location'))
  expect(first.headers.get('idempotent-replayed')).toBeNull()
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await storedOrders(order.externalId)).toBe(1)
})

test('a repeated body may have its fields in another order', async () => {
  const order = newOrder()
  const idempotencyKey = randomUUID()
  await api.post(order, { idempotencyKey })
  const turned = Object.fromEntries(Object.entries(order).toReversed())
  const again = await api.post(turned, { idempotencyKey })
  expect(again.headers.get('idempotent-replayed')).toBe('true')
})

test('the same order 50 times at once is one order and 50 equal answers', async () => {
  const order = newOrder()
  const idempotencyKey = randomUUID()
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => api.post(order, { idempotencyKey })),
  )
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]))
  expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
  const replayed = answers.filter((answer) => answer.headers.has('idempotent-replayed'))
  expect(replayed).toHaveLength(49)
  expect(await storedOrders(order.externalId)).toBe(1)
})

test('two orders with the same key at the same instant: one is placed, the other refused', async () => {
  const idempotencyKey = randomUUID()
  const [a, b] = [newOrder(), newOrder()]
  const answers = await Promise.all([a, b].map((order) => api.post(order, { idempotencyKey })))
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202, 422]))
  expect((await storedOrders(a.externalId)) + (await storedOrders(b.externalId))).toBe(1)
})

test('a key used again with another body is refused, and nothing is stored', async () => {
  const idempotencyKey = randomUUID()
  await api.post(newOrder(), { idempotencyKey })
  const other = newOrder()
  expect(await api.post(other, { idempotencyKey })).toMatchObject({
    status: 422,
    body: { code: 'idempotency-key-reused' },
  })
  expect(await storedOrders(other.externalId)).toBe(0)
})

test('another key with a known external id is told which order exists', async () => {
  const order = newOrder()
  const placed = await api.post(order)
  const { id } = placed.body as { id: string }
  const refused = await api.post(order)
  expect(refused).toMatchObject({ status: 409, body: { code: 'order-exists', orderId: id } })
  expect(refused.headers.get('location')).toBe(`/orders/${id}`)
})

test('two shops may use the same idempotency key', async () => {
  const idempotencyKey = randomUUID()
  await api.post(newOrder(), { idempotencyKey })
  const key = await api.newKey()
  const other = await api.post(newOrder(), { idempotencyKey, key })
  expect(other.status).toBe(202)
  expect(other.headers.has('idempotent-replayed')).toBe(false)
})

test('a refused order leaves its key free for the corrected one', async () => {
  const idempotencyKey = randomUUID()
  const order = newOrder()
  const wrong = { ...order, totals: { ...order.totals, total: 1 } }
  expect((await api.post(wrong, { idempotencyKey })).status).toBe(422)
  expect((await api.post(order, { idempotencyKey })).status).toBe(202)
})

test('a bare and a quoted idempotency key are the same key', async () => {
  const order = newOrder()
  const bare = `say-\\"${randomUUID()}`
  const quoted = `"${bare.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  const first = await api.post(order, { idempotencyKey: bare })
  const again = await api.post(order, { idempotencyKey: quoted })
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(again.text).toBe(first.text)
})

test.each([
  ['a space', 'a b'],
  ['256 characters', 'k'.repeat(256)],
  ['an empty string in quotes', '""'],
  ['an open quote', '"abc'],
  ['a wrong escape', '"a\\bc"'],
  ['something after the quotes', '"abc";x=1'],
  ['letters that are not ASCII', 'schl\u00fcssel'],
])('an idempotency key with %s is refused', async (_what, idempotencyKey) => {
  expect(await api.post(newOrder(), { idempotencyKey })).toMatchObject({
    status: 400,
    body: { code: 'idempotency-key-invalid' },
  })
})

test('an idempotency key of 255 characters is good', async () => {
  const idempotencyKey = randomUUID().padEnd(255, '~')
  expect((await api.post(newOrder(), { idempotencyKey })).status).toBe(202)
})

test('an order without an idempotency key is refused before its body is looked at', async () => {
  expect(await api.post('not JSON', { idempotencyKey: '' })).toMatchObject({
    status: 400,
    body: { code: 'idempotency-key-required' },
  })
})

test('an order that was rolled back tells nobody', async () => {
  const order = newOrder()
  const client = await api.pool.connect()
  await client.query('begin')
  await client.query(
    `with placed as (
       insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
       values ($1, gen_random_uuid(), 'k', sha256('x'), '{}') returning id)
     insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed`,
    [order.externalId],
  )
  // The same order over HTTP waits a while for the transaction's end, then is placed as if it had never been.
  const idempotencyKey = randomUUID()
  const waits = api.post(order, { idempotencyKey })
  await eventually(() => someoneWaitsForALock(api))
  await client.query('rollback')
  client.release()
  await waits
  expect((await api.post(order, { idempotencyKey })).status).toBe(202)
  expect(await storedOrders(order.externalId)).toBe(1)
  const { rows } = await api.pool.query(
    'select from orderwheel.outbox b where not exists (select from orderwheel.orders where id = b.order_id)',
  )
  expect(rows).toEqual([])
})

test('an order somebody else is writing is refused for now, and other orders are taken', async () => {
  const order = newOrder()
  const client = await api.pool.connect()
  await client.query('begin')
  await client.query(
    `insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
     values ($1, gen_random_uuid(), 'k', sha256('x'), '{}')`,
    [order.externalId],
  )
  // Both of the statements in flight are taken up by it, the others wait behind them.
  const held = [api.post(order), api.post(order)]
  await eventually(() => someoneWaitsForALock(api))
  const others = await Promise.all(Array.from({ length: 10 }, () => api.post(newOrder())))
  expect(others.map(({ status }) => status)).toEqual(Array(10).fill(202))
  for (const answer of await Promise.all(held)) {
    expect(answer).toMatchObject({ status: 409, body: { code: 'request-in-progress' } })
    expect(answer.headers.get('retry-after')).toBe('1')
  }
  await client.query('rollback')
  client.release()
  expect((await api.post(order)).status).toBe(202)
})

test('when more orders come than can wait, the next is told to come again', async () => {
  const small = await startTestApi({ writer: { maxInFlight: 1, maxWaiting: 1 } })
  try {
    const client = await small.pool.connect()
    await client.query('begin; lock table orderwheel.orders in exclusive mode')
    const first = small.post(newOrder())
    await eventually(() => someoneWaitsForALock(small))
    const more = [small.post(newOrder()), small.post(newOrder())]
    const refused = await Promise.race(more)
    expect(refused).toMatchObject({ status: 429, body: { code: 'intake-overloaded' } })
    expect(refused.headers.get('retry-after')).toBe('1')
    await client.query('rollback')
    client.release()
    const answers = await Promise.all([first, ...more])
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(2)
  } finally {
    await small.close()
  }
})

test('when the database does not answer, the order can be sent again with the same key', async () => {
  const impatient = await startTestApi({ writer: { answerWithinMilliseconds: 100 } })
  try {
    const [order, idempotencyKey] = [newOrder(), randomUUID()]
    const client = await impatient.pool.connect()
    await client.query('begin; lock table orderwheel.orders in exclusive mode')
    const refused = await impatient.post(order, { idempotencyKey })
    expect(refused).toMatchObject({ status: 503, body: { code: 'database-unavailable' } })
    expect(refused.headers.get('retry-after')).toBe('1')
    await client.query('rollback')
    client.release()
    await eventually(async () => (await impatient.post(order, { idempotencyKey })).status === 202)
    const { rows } = await impatient.pool.query('select from orderwheel.orders')
    expect(rows).toHaveLength(1)
  } finally {
    await impatient.close()
  }
})

test('an order no one sent is not found', async () => {
  for (const path of [
    `/orders/${randomUUID()}`,
    '/orders/42',
    `/orders/urn:uuid:${randomUUID()}`,
    '/orders/%00',
    `/orders/${'9'.repeat(500)}`,
    '/orders?externalId=WEB-0',
  ]) {
    const { status, body } = await api.get(path)
    expect({ path, status }).toEqual({ path, status: path.length > 200 ? 414 : 404 })
    expect(body).toMatchObject({ code: expect.any(String) })
  }
})

test.each(['/orders', '/orders?externalId=', '/orders?externalId=A&limit=3', '/orders?a=1&a=2'])(
  'a search that is not for one external id is refused: %s',
  async (path) => {
    expect(await api.get(path)).toMatchObject({
      status: 422,
      body: { code: 'invalid-query', errors: expect.any(Array) },
    })
  },
)
