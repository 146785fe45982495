import { expect, test } from 'vitest'

import { http } from '#targets/http/http.ts'
import { maxAnswerBytes } from '#targets/http/send-request.ts'
import { giveUp, tryAgain } from '#targets/outcome.ts'

import { createDeadline } from './support/create-deadline.ts'
import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { freePort, startReceiver } from './support/start-receiver.ts'

test('the ERP is told the order and the message, with the key of the delivery', async () => {
  const erp = await startReceiver((response) => response.writeHead(201).end('{"number":7}'))
  const target = createTarget('erp', http({ url: `${erp.url}/orders?shop=1` }))
  const call = exampleCall()
  expect(await target.call(call)).toEqual({
    kind: 'delivered',
    answer: { status: 201, text: '{"number":7}' },
  })
  const [received] = erp.received
  expect(received).toMatchObject({ method: 'POST', path: '/orders?shop=1' })
  expect(received?.headers['idempotency-key']).toBe(call.idempotencyKey)
  expect(received?.headers['content-type']).toBe('application/json')
  expect(JSON.parse(received?.body ?? '')).toEqual({ message: call.message, order: call.order })
})

test('url, path, method, headers and body are what the configuration makes of the order', async () => {
  const erp = await startReceiver((response) => response.end())
  const target = createTarget(
    'erp',
    http({
      url: `${erp.url.replace('//', '//shop:p%40ss@')}/api/`,
      path: ({ order }) => `/orders/eid:${order.externalId}`,
      method: 'PUT',
      headers: { 'X-Attempt': ({ attempt }) => `${attempt}`, 'X-Shop': 'demo' },
      body: ({ order }) => `<order number="${order.externalId}"/>`,
    }),
  )
  await target.call(exampleCall({ attempt: 3 }))
  expect(erp.received[0]).toMatchObject({
    method: 'PUT',
    path: '/api/orders/eid:WEB-10042',
    body: '<order number="WEB-10042"/>',
    headers: {
      'x-attempt': '3',
      'x-shop': 'demo',
      authorization: `Basic ${btoa('shop:p@ss')}`,
      'content-type': 'text/plain; charset=utf-8',
    },
  })
})

test('500 twice is tried again twice, then 200 is delivered', async () => {
  const statuses = [500, 500, 200]
  const erp = await startReceiver((response) => response.writeHead(statuses.shift() ?? 418).end())
  const target = createTarget('erp', http({ url: erp.url }))
  const outcomes = []
  for (let attempt = 1; attempt <= 3; attempt++) {
    outcomes.push((await target.call(exampleCall({ attempt }))).kind)
  }
  expect(outcomes).toEqual(['try-again', 'try-again', 'delivered'])
  expect(new Set(erp.received.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
})

test('429 with Retry-After: 3 is not asked again before 3 seconds', async () => {
  const erp = await startReceiver((response) =>
    response.writeHead(429, { 'retry-after': '3' }).end('slow down'),
  )
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall())).toEqual({
    kind: 'try-again',
    reason: 'answered 429',
    notBeforeSeconds: 3,
    answer: { status: 429, text: 'slow down', headers: { 'retry-after': '3' } },
  })
})

test('an answer function that says try again keeps the Retry-After, or says another', async () => {
  const erp = await startReceiver((response) =>
    response.writeHead(429, { 'retry-after': '3' }).end('{"error":"Application_Busy"}'),
  )
  const answer = () => tryAgain('busy')
  expect(
    await createTarget('erp', http({ url: erp.url, answer })).call(exampleCall()),
  ).toMatchObject({ kind: 'try-again', reason: 'busy', notBeforeSeconds: 3 })
  const later = () => tryAgain('busy', { notBeforeSeconds: 60, answer: { text: 'read' } })
  expect(
    await createTarget('erp', http({ url: erp.url, answer: later })).call(exampleCall()),
  ).toMatchObject({
    notBeforeSeconds: 60,
    answer: { status: 429, text: 'read', code: 'Application_Busy' },
  })
})

test('a Retry-After that is about one order does not hold back the target', async () => {
  const erp = await startReceiver((response) =>
    response.writeHead(409, { 'retry-after': '3' }).end('still being booked'),
  )
  const target = createTarget('erp', http({ url: erp.url, answer: () => tryAgain('booking') }))
  expect(await target.call(exampleCall())).toEqual({
    kind: 'try-again',
    reason: 'booking',
    answer: { status: 409, text: 'still being booked', headers: { 'retry-after': '3' } },
  })
})

test.each([408, 425, 429, 500, 502, 503, 504])('%i is tried again', async (status) => {
  const erp = await startReceiver((response) => response.writeHead(status).end())
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'try-again' })
})

test.each([400, 401, 404, 409, 410, 417, 422])('%i is given up at once', async (status) => {
  const erp = await startReceiver((response) => response.writeHead(status).end('no'))
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: `answered ${status}`,
    answer: { status, text: 'no' },
  })
})

test('a redirect is given up, and where it points is not called', async () => {
  const elsewhere = await startReceiver((response) => response.end())
  const erp = await startReceiver((response) =>
    response.writeHead(307, { location: elsewhere.url }).end(),
  )
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'give-up' })
  expect(elsewhere.received).toEqual([])
})

test('an ERP that never answers may have acted: the outcome is unknown when the deadline passes', async () => {
  const { signal, pass } = createDeadline()
  const erp = await startReceiver(pass)
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall({ signal }))).toEqual({
    kind: 'uncertain',
    reason: 'sent, but no answer: out of time',
  })
  expect(erp.received).toHaveLength(1)
})

test('an answer that drips past the deadline is no answer', async () => {
  const { signal, pass } = createDeadline()
  const erp = await startReceiver((response) => {
    response.writeHead(200).write('{"ok":')
    let drops = 0
    const drip = setInterval(() => {
      response.write(' ')
      if (++drops === 10) pass()
    }, 10)
    response.on('close', () => clearInterval(drip))
  })
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall({ signal }))).toMatchObject({
    kind: 'uncertain',
    reason: 'answered 200, but the answer did not end: out of time',
    answer: { status: 200 },
  })
})

test('a connection closed after the request was read leaves the outcome unknown', async () => {
  const erp = await startReceiver((response) => response.destroy())
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'uncertain' })
  expect(erp.received).toHaveLength(1)
})

test('a worker that stops gives the call back at once', async () => {
  const erp = await startReceiver(() => stop.abort())
  const stop = new AbortController()
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall({ signal: stop.signal }))).toMatchObject({
    kind: 'uncertain',
    reason: 'sent, but no answer: out of time',
  })
})

test.each([
  ['nobody listens', async () => `http://127.0.0.1:${await freePort()}`],
  ['the name does not exist', async () => 'http://erp.invalid'],
  [
    'the TLS handshake fails',
    async () => (await startReceiver((response) => response.end())).url.replace('http:', 'https:'),
  ],
])('when %s nothing was sent, and it is tried again', async (_case, url) => {
  const target = createTarget('erp', http({ url: await url() }))
  const outcome = await target.call(exampleCall())
  expect(outcome).toMatchObject({
    kind: 'try-again',
    reason: expect.stringMatching(/^not sent: ./),
  })
})

test('a deadline that passes before there is a connection is not an unknown outcome', async () => {
  const target = createTarget('erp', http({ url: 'http://127.0.0.1:1' }))
  const signal = AbortSignal.abort(new DOMException('late', 'TimeoutError'))
  expect(await target.call(exampleCall({ signal }))).toEqual({
    kind: 'try-again',
    reason: 'not sent: out of time',
  })
})

test('of a long answer 64 KiB are read, 4 KiB are kept, and the rest is not waited for', async () => {
  const erp = await startReceiver((response) => {
    response.writeHead(200)
    // Never ends: only a reader that stops gets an answer.
    const pour = () => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    }
    response.on('drain', pour)
    pour()
  })
  let readCharacters = 0
  const target = createTarget(
    'erp',
    http({
      url: erp.url,
      answer: ({ text, truncated, json }) => {
        readCharacters = text.length
        expect(truncated).toBe(true)
        expect(json()).toBeUndefined()
        return undefined
      },
    }),
  )
  const outcome = await target.call(exampleCall())
  expect(outcome).toMatchObject({ kind: 'delivered', answer: { text: 'x'.repeat(4_096) } })
  expect(readCharacters).toBe(maxAnswerBytes)
})

test('200 with an error in the body is what the configuration says it is', async () => {
  const erp = await startReceiver((response) =>
    response.end('{"jsonrpc":"2.0","error":{"code":200,"message":"Odoo Server Error"}}'),
  )
  const target = createTarget(
    'erp',
    http({
      url: erp.url,
      answer: ({ json }) => {
        const { error } = json() as { error?: { message: string } }
        return error ? giveUp(error.message) : undefined
      },
    }),
  )
  expect(await target.call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: 'Odoo Server Error',
    answer: { status: 200, text: expect.stringContaining('jsonrpc') as string },
  })
})

test('an answer function that throws or says nothing known is named, and the delivery given up', async () => {
  const erp = await startReceiver((response) => response.end('{}'))
  const broken = createTarget('erp', http({ url: erp.url, answer: failToRead }))
  expect(await broken.call(exampleCall())).toMatchObject({
    kind: 'give-up',
    reason: 'targets.erp.answer threw: no number',
    answer: { status: 200 },
  })
  const wrong = createTarget('erp', http({ url: erp.url, answer: () => 'ok' as never }))
  expect(await wrong.call(exampleCall())).toMatchObject({ kind: 'give-up' })
})

test.each([
  ['body', { body: failToRead }, 'targets.erp.body threw: no number'],
  ['body', { body: () => 1n }, 'targets.erp.body threw: Do not know how to serialize a BigInt'],
  ['body', { body: () => undefined }, 'targets.erp.body threw: undefined cannot be sent'],
  ['headers', { headers: failToRead }, 'targets.erp.headers threw: no number'],
  ['headers', { headers: () => undefined as never }, 'targets.erp.headers must return an object'],
  ['path', { path: failToRead }, 'targets.erp.path threw: no number'],
  [
    'header',
    { headers: { 'x-note': () => 'a\r\nx-admin: 1' } },
    'targets.erp.headers.x-note threw: Invalid character in header content ["x-note"]',
  ],
])('a %s that cannot be used is named, and nothing is sent', async (_part, options, reason) => {
  const erp = await startReceiver((response) => response.end())
  const target = createTarget('erp', http({ url: erp.url, ...options }))
  expect(await target.call(exampleCall())).toEqual({ kind: 'give-up', reason })
  expect(erp.received).toEqual([])
})

test.each([
  '../admin',
  '/orders/..',
  'orders/./1',
  'orders/%2e%2e/admin',
  'orders/.%2E',
  'orders/..%2fadmin',
  'orders\\..\\admin',
  'orders/..%5Cadmin',
  'orders/.\t./admin',
])('a path that an order leads to another place is not called: %j', async (path) => {
  const erp = await startReceiver((response) => response.end())
  const target = createTarget('erp', http({ url: `${erp.url}/api`, path: () => path }))
  expect(await target.call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: 'targets.erp.path has a segment "." or "..", which leads to another place',
  })
  expect(erp.received).toEqual([])
})

test.each(['orders/a..b', 'orders/...', 'orders/?back=../1', '/orders//1', ''])(
  'a path with dots that lead nowhere else is called: %j',
  async (path) => {
    const erp = await startReceiver((response) => response.end())
    const target = createTarget('erp', http({ url: `${erp.url}/api`, path: () => path }))
    expect(await target.call(exampleCall())).toMatchObject({ kind: 'delivered' })
    expect(erp.received[0]?.path).toBe(`/api/${path.replace(/^\//, '')}`)
  },
)

test('an answer PostgreSQL cannot store is mended before it is kept', async () => {
  const erp = await startReceiver((response) => response.end('a\u0000b'))
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall())).toMatchObject({ answer: { text: 'a\uFFFDb' } })
})

test('a slow call does not hold up the others of the target', async () => {
  let slow: (() => void) | undefined
  const erp = await startReceiver((response, { body }) => {
    if (body === 'slow') slow = () => response.end()
    else response.end()
  })
  const target = createTarget(
    'erp',
    http({
      url: erp.url,
      concurrency: 2,
      body: ({ attempt }) => (attempt === 1 ? 'slow' : 'quick'),
    }),
  )
  const first = target.call(exampleCall({ attempt: 1 }))
  expect(await target.call(exampleCall({ attempt: 2 }))).toMatchObject({ kind: 'delivered' })
  slow?.()
  expect(await first).toMatchObject({ kind: 'delivered' })
})

function failToRead(): never {
  throw new Error('no number')
}

test('where there is nothing to tell, nothing is sent, unless an operator wrote it', async () => {
  const sms = await startReceiver((response) => response.end())
  const target = createTarget(
    'sms',
    http({ url: sms.url, when: ({ order }) => typeof order.customer.phone !== 'string' }),
  )
  expect(await target.call(exampleCall())).toEqual({
    kind: 'delivered',
    reason: 'nothing to tell: when says no',
  })
  expect(sms.received).toEqual([])
  const edited = { body: 'written by hand', format: 'text' }
  expect(await target.call(exampleCall({ edited }))).toMatchObject({ kind: 'delivered' })
  expect(sms.received).toHaveLength(1)

  const broken = createTarget('sms', http({ url: sms.url, when: () => 'yes' as never }))
  expect(await broken.call(exampleCall())).toEqual(
    giveUp('targets.sms.when must return true or false'),
  )
})
