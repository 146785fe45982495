import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { createOwnKind } from '#messages/own-kinds.ts'

import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

const kinds = new Map([
  [
    'stock.changed',
    createOwnKind({
      type: 'object',
      required: ['sku'],
      properties: {
        sku: { type: 'string', minLength: 1 },
        at: { type: 'string', format: 'date-time' },
        places: { type: 'array', items: { type: 'object', required: ['name'] } },
      },
      additionalProperties: false,
    }),
  ],
  ['anything', createOwnKind({})],
])

let api: TestApi
let key: string
let notified = 0
beforeAll(async () => {
  api = await startTestApi({ kinds, outboxChanged: () => (notified += 1) })
  key = await api.newKey({ scopes: ['messages:write', 'orders:read'] })
})
afterAll(() => api.close())

function post(message: unknown, headers: Record<string, string> = {}) {
  return send(`${api.url}/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      ...headers,
    },
    body: typeof message === 'string' ? message : JSON.stringify(message),
  })
}

async function count(): Promise<number> {
  const { rows } = await api.pool.query<{ n: number }>(
    `select count(*)::int as n from orderwheel.outbox where kind not like 'order.%'`,
  )
  return rows[0]?.n ?? -1
}

test('a message about an order that is not paid is refused: nobody was told of that order', async () => {
  const { id } = (await api.post(newOrder())).body as { id: string }
  await api.pool.query(
    `insert into orderwheel.payments (order_id, external_id, provider, mode, token)
     select id, external_id, 'cards', 'capture', 'tok' from orderwheel.orders where id = $1`,
    [id],
  )
  const before = await count()
  expect(await post({ kind: 'anything', orderId: id })).toMatchObject({
    status: 409,
    body: { code: 'order-not-paid', orderId: id },
  })
  expect(await count()).toBe(before)
})

test('a message about no order is taken, and can be read where it says', async () => {
  const before = notified
  const added = await post({ kind: 'stock.changed', payload: { sku: 'IPOD' } })
  expect(added).toMatchObject({
    status: 202,
    body: { kind: 'stock.changed', orderId: null, state: 'received' },
  })
  expect(notified - before).toBe(1)
  const place = added.headers.get('location') ?? ''
  const { id } = added.body as { id: string }
  expect(place).toBe(`/messages/${id}`)
  expect(await api.get(place)).toMatchObject({
    status: 200,
    body: {
      id,
      state: 'received',
      relayedAt: null,
      refusal: null,
      deliveries: [],
      links: { self: place },
    },
  })
})

test('a message about an order is taken by the order’s id or the shop’s own number', async () => {
  const order = newOrder()
  const { id: orderId } = (await api.post(order)).body as { id: string }
  for (const about of [{ orderId }, { externalId: order.externalId }]) {
    const added = await post({ kind: 'anything', ...about })
    expect(added).toMatchObject({ status: 202, body: { orderId } })
    const read = await api.get(added.headers.get('location') ?? '')
    expect(read.body).toMatchObject({
      orderId,
      externalId: order.externalId,
      links: { order: `/orders/${orderId}` },
    })
  }
  expect((await api.get(`/orders/${orderId}`)).body).toMatchObject({
    messages: [{ kind: 'order.placed' }, { kind: 'anything' }, { kind: 'anything' }],
  })
})

test('the same request with the same Idempotency-Key adds one message, however often and concurrently it is sent', async () => {
  const headers = { 'idempotency-key': randomUUID() }
  const message = { kind: 'stock.changed', payload: { sku: 'ONCE' } }
  const before = await count()
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(message, headers)))
  expect(new Set(answers.map(({ body }) => (body as { id: string }).id)).size).toBe(1)
  expect(await count()).toBe(before + 1)
  const other = await post({ ...message, payload: { sku: 'OTHER' } }, headers)
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
})

test('a payload that breaks its schema is refused with a pointer for each mistake, and nothing is stored', async () => {
  const before = await count()
  const answer = await post({
    kind: 'stock.changed',
    payload: { at: 'yesterday', places: [{ name: 'A' }, {}], 'a/b': 1 },
  })
  expect(answer).toMatchObject({ status: 422, body: { code: 'invalid-message' } })
  const { errors } = answer.body as { errors: { pointer: string; detail: string }[] }
  expect(errors.map(({ pointer }) => pointer).toSorted()).toEqual([
    '/payload/at',
    '/payload/a~1b',
    '/payload/places/1/name',
    '/payload/sku',
  ])
  expect(await count()).toBe(before)
})

test('what cannot be told is answered with a problem, never with a 5xx, and nothing is stored', async () => {
  const before = await count()
  const nobody = randomUUID()
  const deep = `{"kind":"anything","payload":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const answers = [
    [await post({ kind: 'stock.chnged' }), 422, 'unknown-message-kind'],
    [await post({ kind: 'order.cancelled' }), 422, 'unknown-message-kind'],
    [await post({}), 422, 'invalid-message'],
    [await post({ kind: 'anything', orderId: nobody }), 422, 'invalid-message'],
    [await post({ kind: 'anything', externalId: 'WEB-nobody' }), 422, 'invalid-message'],
    [await post({ kind: 'anything', orderId: nobody, externalId: 'W' }), 422, 'invalid-message'],
    [await post({ kind: 'anything', orderId: 'x' }), 422, 'invalid-message'],
    [await post({ kind: 'anything', id: nobody }), 422, 'invalid-message'],
    [await post('{"kind":"anything","payload":"\\u0000"}'), 422, 'invalid-message'],
    [await post('{"kind":"anything","payload":{"__proto__":1}}'), 422, 'invalid-message'],
    [await post(deep), 422, 'invalid-message'],
    [await post(deep, { 'idempotency-key': 'deep' }), 422, 'invalid-message'],
    [await post('{'), 400, 'invalid-json'],
    [await post({ kind: 'anything', payload: 'x'.repeat(300_000) }), 413, 'body-too-large'],
    [
      await post({ kind: 'anything' }, { authorization: `Bearer ${api.key}` }),
      403,
      'missing-scope',
    ],
    [await api.get(`/messages/${nobody}`), 404, 'message-not-found'],
    [await api.get('/messages/1'), 404, 'message-not-found'],
  ] as const
  for (const [answer, status, code] of answers)
    expect(answer).toMatchObject({ status, body: { code } })
  expect(answers[0][0].text).toContain('did you mean stock.changed?')
  expect(answers[3][0].body).toMatchObject({ errors: [{ pointer: '/orderId' }] })
  expect(await count()).toBe(before)
})
