import { afterAll, beforeAll, expect, test } from 'vitest'

import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
let notified = 0
beforeAll(async () => {
  api = await startTestApi({ outboxChanged: () => (notified += 1) })
})
afterAll(() => api.close())

type Options = { body?: string; headers?: Record<string, string>; key?: string }

function cancel(id: string, { body, headers, key = api.key }: Options = {}) {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  return send(`${api.url}/orders/${id}/cancellation`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...type, ...headers },
    ...(body === undefined ? {} : { body }),
  })
}

async function place(): Promise<string> {
  return ((await api.post(newOrder())).body as { id: string }).id
}

async function messagesOf(orderId: string): Promise<{ kind: string; payload: unknown }[]> {
  const { rows } = await api.pool.query(
    `select kind, payload from orderwheel.outbox where order_id = $1 order by position`,
    [orderId],
  )
  return rows
}

test('an order is cancelled with a reason, once, however often and concurrently it is asked for', async () => {
  const id = await place()
  const before = notified
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => cancel(id, { body: '{"reason":"too  late"}' })),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  expect(answers[0]?.headers.get('location')).toBe(`/orders/${id}`)
  expect(answers[0]?.body).toMatchObject({ orderId: id, reason: 'too late' })
  expect(answers.filter(({ headers }) => headers.has('idempotent-replayed'))).toHaveLength(9)
  expect(await messagesOf(id)).toEqual([
    { kind: 'order.placed', payload: {} },
    { kind: 'order.cancelled', payload: { reason: 'too late' } },
  ])
  expect(notified - before).toBe(1)
  expect((await api.get(`/orders/${id}`)).body).toMatchObject({ state: 'cancelled' })
  // Another reason changes nothing either, nor does the spelling of the id.
  const again = await cancel(id.toUpperCase(), { body: '{"reason":"other"}' })
  expect(again.text).toBe(answers[0]?.text)
})

test('a cancellation needs no body, also from clients that say it were JSON', async () => {
  for (const options of [{}, { headers: { 'content-type': 'application/json' } }, { body: '{}' }]) {
    const answer = await cancel(await place(), options)
    expect(answer.status).toBe(202)
    expect(answer.body).toMatchObject({ reason: null })
  }
})

test('an Idempotency-Key of a cancellation is good for that cancellation only', async () => {
  const [id, other] = [await place(), await place()]
  const headers = { 'idempotency-key': 'cancel-1' }
  const first = await cancel(id, { headers })
  const repeated = await cancel(id, { headers })
  expect(repeated.body).toEqual(first.body)
  expect(repeated.headers.get('idempotent-replayed')).toBe('true')
  expect((await cancel(other, { headers })).body).toMatchObject({ code: 'idempotency-key-reused' })
  expect(await messagesOf(other)).toHaveLength(1)
})

test('broken JSON is answered with the place where it breaks, as for an order', async () => {
  const id = await place()
  for (const [body, at] of [
    ['{"reason": ', 'position 11 (line 1 column 12)'],
    ['{bad', 'position 1 (line 1 column 2)'],
    ['nope', 'position 0 (line 1 column 1)'],
  ] as const) {
    const problem = {
      status: 400,
      body: { code: 'invalid-json', detail: `The body stops being JSON at ${at}.` },
    }
    expect(await cancel(id, { body })).toMatchObject(problem)
    expect(await api.post(body)).toMatchObject(problem)
  }
})

test('what cannot be cancelled is answered with a problem, and nothing is added', async () => {
  const id = await place()
  const problems = [
    [await cancel('0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4'), 404, 'order-not-found'],
    [await cancel('WEB-1'), 404, 'order-not-found'],
    [await cancel(id, { body: '{"reason":"a\\u0000b"}' }), 422, 'invalid-body'],
    [await cancel(id, { body: '{"reason":7}' }), 422, 'invalid-body'],
    [await cancel(id, { body: '{"why":"x"}' }), 422, 'invalid-body'],
    [await cancel(id, { body: '[]' }), 422, 'invalid-body'],
    [await cancel(id, { body: '{' }), 400, 'invalid-json'],
    [await cancel(id, { body: `{"reason":"${'x'.repeat(1_001)}"}` }), 422, 'invalid-body'],
    [await cancel(id, { body: 'x'.repeat(300_000) }), 413, 'body-too-large'],
    [
      await cancel(id, { key: await api.newKey({ scopes: ['orders:read'] }) }),
      403,
      'missing-scope',
    ],
  ] as const
  for (const [answer, status, code] of problems)
    expect(answer).toMatchObject({ status, body: { code } })
  expect(await messagesOf(id)).toHaveLength(1)
})

test('an order whose personal data was removed, or whose history is gone, cannot be cancelled any more', async () => {
  const [forgotten, old] = [await place(), await place()]
  await api.pool.query(`update orderwheel.orders set forgotten_at = now() where id = $1`, [
    forgotten,
  ])
  await api.pool.query(`insert into orderwheel.dropped_history (until) values ('2021-01-01')`)
  await api.pool.query(`update orderwheel.orders set received_at = '2020-06-01' where id = $1`, [
    old,
  ])
  for (const orderId of [forgotten, old]) {
    expect(await cancel(orderId)).toMatchObject({
      status: 409,
      body: { code: 'order-not-cancellable', orderId },
    })
    expect(await messagesOf(orderId)).toHaveLength(1)
  }
})
