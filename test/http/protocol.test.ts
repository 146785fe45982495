import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { sendRaw } from './raw-request.ts'
import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi({
    limits: { requestTimeoutSeconds: 0.3, headersTimeoutSeconds: 0.2, slowCheckSeconds: 0.05 },
  })
})
afterAll(() => api.close())

const problemType = 'application/problem+json; charset=utf-8'

test.each([
  [
    'what is not JSON',
    '{"externalId": ',
    '^The body stops being JSON at position 15 \\(line 1 column 16\\)\\.$',
  ],
  ['nothing', '', 'empty'],
  ['JSON with a comment', '{} // x', 'JSON'],
  ['a byte order mark', '\ufeff{}', 'JSON'],
  ['a control character in a text', '{"note": "a\nb"}', 'JSON'],
])('a body of %s is refused with 400', async (_what, body, detail) => {
  const answer = await api.post(body)
  expect(answer).toMatchObject({
    status: 400,
    body: { code: 'invalid-json', detail: expect.stringMatching(detail) },
  })
  expect(answer.headers.get('content-type')).toBe(problemType)
})

test('an answer to wrong JSON does not repeat what was sent', async () => {
  expect((await api.post('{"email": ada@example.com}')).text).not.toMatch('ada')
})

test('a body that is not UTF-8 is refused with 400', async () => {
  const answer = await sendBody(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]))
  expect(answer).toMatchObject({ status: 400, body: { detail: 'The body is not UTF-8.' } })
})

test.each([
  ['text/plain', {}],
  ['application/xml', {}],
  ['application/json5', {}],
  ['application/x-www-form-urlencoded', {}],
  ['application/json', { 'content-encoding': 'gzip' }],
])('a body of type %s %j is refused with 415', async (type, headers) => {
  const answer = await api.post(newOrder(), { headers: { 'content-type': type, ...headers } })
  expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported-media-type' } })
})

test('a body may name its character set', async () => {
  const headers = { 'content-type': 'Application/JSON; charset=UTF-8' }
  expect((await api.post(newOrder(), { headers })).status).toBe(202)
})

test('256 KiB are read, one byte more is refused with 413', async () => {
  const order = JSON.stringify(newOrder())
  const padded = order + ' '.repeat(256 * 1024 - Buffer.byteLength(order))
  expect((await api.post(padded)).status).toBe(202)
  expect(await api.post(`${padded} `)).toMatchObject({
    status: 413,
    body: { code: 'body-too-large' },
  })
})

test('a body too large without a length is refused with 413', async () => {
  const chunk = `10000\r\n${' '.repeat(0x1_0000)}\r\n`
  const answer = await sendRaw(
    api.port,
    head('POST /orders', ['Transfer-Encoding: chunked', 'Connection: close']),
    ...Array.from({ length: 6 }, () => chunk),
    '0\r\n\r\n',
  )
  expect(answer).toMatch(/^HTTP\/1.1 413 /)
  expect(answer).toMatch('"code":"body-too-large"')
})

test('a body that says it is larger than it is allowed to be is not waited for', async () => {
  const answer = await sendRaw(api.port, head('POST /orders', ['Content-Length: 9999999999']))
  expect(answer).toMatch(/^HTTP\/1.1 413 /)
})

test('a body nested 100 000 deep is answered like any other', async () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  expect((await api.post(deep)).status).toBe(422)
  expect((await api.post(`{"\\u0061":${deep}}`)).status).toBe(422)
})

test('__proto__ is an unknown field, however it is spelled', async () => {
  for (const name of ['__proto__', '\\u005f_proto__']) {
    const body = JSON.stringify(newOrder()).replace('{', `{"${name}":{"polluted":true},`)
    const answer = await api.post(body)
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: '/__proto__' }] } })
  }
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
})

test('a body that trickles in too slowly is cut off with 408', async () => {
  const answer = await sendRaw(api.port, head('POST /orders', ['Content-Length: 100']), '{"exter')
  expect(answer).toMatch(
    /^HTTP\/1.1 408 Request Timeout\r\nContent-Type: application\/problem\+json/,
  )
  expect(answer).toMatch('"code":"request-timeout"')
})

test('headers that trickle in too slowly are cut off with 408', async () => {
  const answer = await sendRaw(api.port, 'POST /orders HTTP/1.1\r\nHost: x\r\nX-A: ')
  expect(answer).toMatch('"code":"request-timeout"')
})

test('what is not HTTP is answered with 400', async () => {
  const answer = await sendRaw(api.port, 'HELLO\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  expect(answer).toMatch('"code":"bad-request"')
})

test('headers beyond 16 KiB are answered with 431', async () => {
  const answer = await sendRaw(api.port, head('GET /livez', [`X-Long: ${'x'.repeat(20_000)}`]))
  expect(answer).toMatch(/^HTTP\/1.1 431 /)
  expect(answer).toMatch('"code":"headers-too-large"')
})

test('a request without a Host is answered with 400', async () => {
  const answer = await sendRaw(api.port, 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  expect(answer).toMatch('"code":"bad-request"')
})

test('an expectation nobody can meet is answered with 417', async () => {
  const answer = await sendRaw(api.port, head('GET /livez', ['Expect: magic', 'Connection: close']))
  expect(answer).toMatch(/^HTTP\/1.1 417 /)
  expect(answer).toMatch('"code":"expectation-failed"')
})

test('a client that asks first is told to send its body', async () => {
  const body = JSON.stringify(newOrder())
  const answer = await sendRaw(
    api.port,
    head('POST /orders', [
      'Expect: 100-continue',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ]),
    body,
  )
  expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 202 /)
})

test('a client that hangs up in the middle of its body does no harm', async () => {
  const { connect } = await import('node:net')
  const socket = connect(api.port, '127.0.0.1')
  socket.write(head('POST /orders', ['Content-Length: 1000']) + '{')
  await new Promise((resolve) => socket.write('"', resolve))
  socket.destroy()
  expect((await api.post(newOrder())).status).toBe(202)
})

test('an unknown path is 404, a wrong method 405 with the right ones', async () => {
  expect(await api.get('/nowhere')).toMatchObject({ status: 404, body: { code: 'not-found' } })
  const wrong = await send(`${api.url}/orders`, { method: 'DELETE' })
  expect(wrong).toMatchObject({ status: 405, body: { code: 'method-not-allowed' } })
  expect(wrong.headers.get('allow')).toBe('POST, GET, HEAD, OPTIONS')
  const one = await send(`${api.url}/orders/${randomUUID()}`, { method: 'PUT', body: 'x' })
  expect(one.status).toBe(405)
  expect(one.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
  expect(await sendRaw(api.port, head('PROPFIND /orders', ['Connection: close']))).toMatch(
    /^HTTP\/1.1 405 /,
  )
})

test('OPTIONS names the methods, HEAD answers like GET without a body', async () => {
  const options = await send(`${api.url}/orders`, { method: 'OPTIONS' })
  expect(options.status).toBe(204)
  expect(options.headers.get('allow')).toBe('POST, GET, HEAD, OPTIONS')
  const order = newOrder()
  await api.post(order)
  const headers = { authorization: `Bearer ${api.key}` }
  const answer = await send(`${api.url}/orders?externalId=${order.externalId}`, {
    method: 'HEAD',
    headers,
  })
  expect(answer).toMatchObject({ status: 200, text: '' })
})

test('a path that is not percent-encoded is answered with 400', async () => {
  expect(await api.get('/orders/%zz')).toMatchObject({ status: 400, body: { code: 'bad-request' } })
})

test('a Host header that is no host is no reason to fail', async () => {
  for (const host of ['999.999.999.999', 'a b', '[', '::', 'x'.repeat(300)]) {
    const answer = await sendRaw(
      api.port,
      `GET /docs/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer.slice(0, 12)).toMatch(/^HTTP\/1.1 [24]/)
  }
})

test('answers carry security headers, and orders are never cached', async () => {
  const { headers } = await api.get('/livez')
  expect(headers.get('content-security-policy')).toBe(
    "default-src 'none';frame-ancestors 'none';base-uri 'none'",
  )
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('x-powered-by')).toBeNull()
  for (const answer of [await api.get(`/orders/${randomUUID()}`), await api.post(newOrder())]) {
    expect(answer.headers.get('cache-control')).toBe('no-store')
  }
})

test('every problem is explained where its type leads', async () => {
  const { body } = await api.get('/nowhere')
  const explained = await api.get((body as { type: string }).type)
  expect(explained).toMatchObject({ status: 200, body: { code: 'not-found', status: 404 } })
  expect((await api.get('/problems/toString')).status).toBe(404)
})

test('requests are logged with the order, without what is in it', async () => {
  const order = newOrder()
  const placed = await api.post(order)
  const { id } = placed.body as { id: string }
  const lines = JSON.stringify(api.logged)
  expect(api.logged).toContainEqual(
    expect.objectContaining({
      msg: 'request answered',
      method: 'POST',
      route: '/orders',
      status: 202,
      orderId: id,
    }),
  )
  expect(lines).not.toMatch(order.customer.email)
  expect(lines).not.toMatch(order.customer.name)
  expect(lines).not.toMatch(api.key)
})

test('an order the database refuses is logged without what is in it', async () => {
  await api.pool.query(
    `alter table orderwheel.orders add check (not document -> 'metadata' ? 'poison')`,
  )
  const order = newOrder({ metadata: { poison: 'x' } })
  const answer = await api.post(order)
  expect(answer).toMatchObject({ status: 500, body: { code: 'internal-error' } })
  expect(api.logged).toContainEqual(
    expect.objectContaining({
      msg: 'request failed',
      err: expect.objectContaining({ code: '23514', message: expect.any(String) }),
    }),
  )
  const lines = JSON.stringify(api.logged)
  expect(lines).not.toMatch(order.customer.email)
  expect(lines).not.toMatch(order.externalId)
})

function head(request: string, headers: string[]): string {
  return [
    `${request} HTTP/1.1`,
    'Host: shop.example',
    `Authorization: Bearer ${api.key}`,
    `Idempotency-Key: ${randomUUID()}`,
    'Content-Type: application/json',
    ...headers,
    '',
    '',
  ].join('\r\n')
}

function sendBody(body: Buffer<ArrayBuffer>) {
  return send(`${api.url}/orders`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${api.key}`,
      'idempotency-key': randomUUID(),
      'content-type': 'application/json',
    },
    body,
  })
}
