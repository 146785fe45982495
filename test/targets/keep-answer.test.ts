import { expect, test } from 'vitest'

import { http } from '#targets/http/http.ts'
import { keepAnswer } from '#targets/keep-answer.ts'

import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { startReceiver } from './support/start-receiver.ts'

test('4 KiB of an answer are kept, cut where a character ends', () => {
  const bytes = (text: string) => Buffer.byteLength(keepAnswer({ text }, 'give-up').text ?? '')
  expect(bytes('x'.repeat(10_000_000))).toBe(4_096)
  expect(bytes('€'.repeat(5_000))).toBe(4_095)
  expect(bytes('😀'.repeat(5_000))).toBe(4_096)
  expect(bytes('\u0000'.repeat(5_000))).toBe(4_095)
  const { text = '' } = keepAnswer({ text: `x${'😀'.repeat(5_000)}` }, 'give-up')
  expect(text.isWellFormed()).toBe(true)
  expect(text.endsWith('😀')).toBe(true)
})

const headers = {
  'content-type': 'application/json',
  'x-request-id': 'r-1',
  'set-cookie': 'session=secret',
  'x-api-key': 'secret',
  authorization: 'secret',
  location: 'https://user:secret@erp.example/orders/7?token=secret',
  'retry-after': '7'.repeat(1_000),
}

test('of the headers those that matter are kept, and no secret', () => {
  const kept = keepAnswer({ status: 422, headers }, 'give-up')
  expect(kept).toEqual({
    status: 422,
    headers: {
      'content-type': 'application/json',
      'x-request-id': 'r-1',
      location: 'https://erp.example/orders/7?…',
      'retry-after': '7'.repeat(300),
    },
  })
  expect(JSON.stringify(kept)).not.toContain('secret')
})

test('of a delivered answer only what it is called over there is kept, and its body is not searched', () => {
  expect(keepAnswer({ status: 200, text: '{"code":"OK"}', headers }, 'delivered')).toEqual({
    status: 200,
    text: '{"code":"OK"}',
    headers: { 'x-request-id': 'r-1', location: 'https://erp.example/orders/7?…' },
  })
})

test.each([
  [
    'a getter that throws',
    {
      get text() {
        throw new Error('no')
      },
    },
  ],
  [
    'a proxy that throws',
    new Proxy(
      {},
      {
        get() {
          throw new Error('no')
        },
      },
    ),
  ],
  ['no headers', { headers: null }],
  ['headers that are a string', { headers: 'text' }],
  ['a text that is a number', { text: 7, code: 8, status: 'x' }],
])('an answer of a target’s own code that is %s harms nobody', (_what, given) => {
  expect(keepAnswer(given as never, 'give-up')).toEqual({})
})

test('what an ERP refused an order with is kept with the attempt: status, text, headers, code', async () => {
  const erp = await startReceiver((response) => {
    response.writeHead(422, { 'x-request-id': 'r-7', 'set-cookie': 'a=b' })
    response.end('{"error":{"code":"UNKNOWN_SKU"}}')
  })
  const target = createTarget('erp', http({ url: erp.url }))
  expect(await target.call(exampleCall())).toMatchObject({
    kind: 'give-up',
    answer: {
      status: 422,
      text: '{"error":{"code":"UNKNOWN_SKU"}}',
      headers: { 'x-request-id': 'r-7' },
      code: 'UNKNOWN_SKU',
    },
  })
})
