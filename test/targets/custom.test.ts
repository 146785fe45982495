import { expect, test } from 'vitest'

import { custom } from '#targets/custom.ts'
import { classifyAnswer } from '#targets/http/classify-answer.ts'
import { delivered, giveUp, tryAgain } from '#targets/outcome.ts'

import { createDeadline } from './support/create-deadline.ts'
import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { freePort, startReceiver } from './support/start-receiver.ts'

test('a function is given the order, the message, the key and the signal; returning nothing is delivered', async () => {
  const call = exampleCall({ attempt: 2 })
  let given: unknown
  const target = createTarget(
    'loyalty',
    custom(async (told) => {
      given = told
    }),
  )
  expect(await target.call(call)).toEqual({ kind: 'delivered' })
  // What became of the order since is the engine's business.
  const { standing: _, ...told } = call
  expect(given).toMatchObject(told)
  expect(given).not.toHaveProperty('standing')
})

test.each([
  [delivered({ text: '7 points' })],
  [giveUp('no such customer')],
  [tryAgain('busy', { notBeforeSeconds: 9 })],
])('%j is what the function says', async (outcome) => {
  const target = createTarget(
    'loyalty',
    custom(async () => outcome),
  )
  expect(await target.call(exampleCall())).toEqual(outcome)
})

test.each([
  [Date.parse('2026-11-22'), { notBeforeSeconds: 3_600 }],
  [Infinity, {}],
  [Number.NaN, {}],
  [-1, {}],
  ['9' as never, {}],
])(
  'seconds that cannot be meant, %s, park no order for longer than an hour',
  async (seconds, kept) => {
    const target = createTarget(
      'loyalty',
      custom(async () => tryAgain('busy', { notBeforeSeconds: seconds })),
    )
    expect(await target.call(exampleCall())).toEqual({ kind: 'try-again', reason: 'busy', ...kept })
  },
)

test('what a function throws, at once or later, is tried again with its message and no stack', async () => {
  const later = createTarget(
    'loyalty',
    custom(async () => {
      throw new Error(`points server is away ${'x'.repeat(400)}`)
    }),
  )
  const outcome = await later.call(exampleCall())
  expect(outcome).toMatchObject({ kind: 'try-again' })
  expect('reason' in outcome && outcome.reason).toMatch(/^points server is away x{278}$/)
  const atOnce = createTarget('loyalty', custom(failAtOnce))
  expect(await atOnce.call(exampleCall())).toEqual({ kind: 'try-again', reason: 'broken' })
})

test('something that is no outcome is given up, naming the target', async () => {
  const target = createTarget(
    'loyalty',
    custom(async () => ({ ok: true }) as never),
  )
  expect(await target.call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: 'targets.loyalty returned something else than an outcome',
  })
})

test('http carries the key of the delivery and reads the answer', async () => {
  const points = await startReceiver((response) => response.writeHead(201).end('{"points":7}'))
  const target = createTarget(
    'loyalty',
    custom(async ({ order, http }) => {
      const found = await http({ url: `${points.url}/customers/${order.customer.id}` })
      const added = await http({ url: points.url, body: { add: 7 }, headers: { 'X-Shop': 'demo' } })
      return delivered({ status: added.status, text: JSON.stringify([found.json(), added.json()]) })
    }),
  )
  const call = exampleCall()
  expect(await target.call(call)).toEqual({
    kind: 'delivered',
    answer: { status: 201, text: '[{"points":7},{"points":7}]' },
  })
  expect(points.received).toMatchObject([
    { method: 'GET', path: '/customers/C-1', headers: { 'idempotency-key': call.idempotencyKey } },
    { method: 'POST', body: '{"add":7}', headers: { 'x-shop': 'demo' } },
  ])
})

test('a function may leave what an answer means to its status, Retry-After included', async () => {
  const points = await startReceiver((response) =>
    response.writeHead(503, { 'retry-after': '3' }).end('later'),
  )
  const target = createTarget(
    'loyalty',
    custom(async ({ http }) => classifyAnswer(await http({ url: points.url }))),
  )
  expect(await target.call(exampleCall())).toEqual({
    kind: 'try-again',
    reason: 'answered 503',
    notBeforeSeconds: 3,
    answer: { status: 503, text: 'later', headers: { 'retry-after': '3' } },
  })
})

test('a request of http that was not sent is tried again; one that was not answered is uncertain', async () => {
  const port = await freePort()
  const down = createTarget(
    'loyalty',
    custom(async ({ http }) => void (await http({ url: `http://127.0.0.1:${port}` }))),
  )
  expect(await down.call(exampleCall())).toMatchObject({ kind: 'try-again' })
  const points = await startReceiver((response) => response.destroy())
  const broken = createTarget(
    'loyalty',
    custom(async ({ http }) => void (await http({ url: points.url, body: {} }))),
  )
  expect(await broken.call(exampleCall())).toMatchObject({
    kind: 'uncertain',
    reason: expect.stringMatching(/^sent, but no answer: /) as string,
  })
})

test('a function that does not end by the deadline may have acted: uncertain', async () => {
  const { signal, pass } = createDeadline()
  const target = createTarget(
    'loyalty',
    custom(() => {
      setImmediate(pass)
      return new Promise(() => {})
    }),
  )
  expect(await target.call(exampleCall({ signal }))).toEqual({
    kind: 'uncertain',
    reason: 'did not end: out of time',
  })
})

test('a function that is ended by its signal may have acted: uncertain', async () => {
  const { signal, pass } = createDeadline()
  const target = createTarget(
    'loyalty',
    custom(async ({ signal }) => {
      pass()
      signal.throwIfAborted()
    }),
  )
  expect(await target.call(exampleCall({ signal }))).toEqual({
    kind: 'uncertain',
    reason: 'did not end: out of time',
  })
})

function failAtOnce(): never {
  throw new Error('broken')
}
