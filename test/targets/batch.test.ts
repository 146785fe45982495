import { expect, test } from 'vitest'

import { batch, type BatchOptions } from '#targets/http/batch.ts'
import { giveUp, tryAgain, type Outcome } from '#targets/outcome.ts'
import type { Call } from '#targets/target.ts'

import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { freePort, startReceiver, type Received } from './support/start-receiver.ts'

function calls(count: number, more: Partial<Call> = {}): Call[] {
  return Array.from({ length: count }, (_, n) =>
    exampleCall({ idempotencyKey: `analytics-${n}`, ...more }),
  )
}

/** Takes everything but the deliveries of these keys. */
async function openAnalytics(options: Partial<BatchOptions> = {}, refused: readonly string[] = []) {
  const receiver = await startReceiver((response, { body }) => {
    const isRefused = refused.some((key) => body.includes(`"${key}"`))
    response.writeHead(isRefused ? 422 : 200).end(isRefused ? '{"code":"BAD"}' : '{"ok":true}')
  })
  const url = `${receiver.url}/events`
  return { receiver, target: createTarget('analytics', batch({ url, ...options })) }
}

function keysIn({ body }: Received): string[] {
  const { messages } = JSON.parse(body) as { messages: { idempotencyKey: string }[] }
  return messages.map(({ idempotencyKey }) => idempotencyKey)
}

const tell = (target: { call: (call: Call) => Promise<Outcome> }, some: readonly Call[]) =>
  Promise.all(some.map((call) => target.call(call)))

test('deliveries that are called at the same time go in one request, no more than size of them', async () => {
  const { receiver, target } = await openAnalytics({ size: 3, waitSeconds: 0.05 })
  const outcomes = await tell(target, calls(7))
  expect(outcomes).toHaveLength(7)
  expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['delivered']))
  const told = receiver.received.map(keysIn)
  expect(told.map(({ length }) => length).toSorted((a, b) => a - b)).toEqual([1, 3, 3])
  expect(told.flat().toSorted()).toEqual(calls(7).map(({ idempotencyKey }) => idempotencyKey))
})

test('the same deliveries have the same key, in whatever order they come; one alone has its own', async () => {
  const { receiver, target } = await openAnalytics({ size: 3, waitSeconds: 0.05 })
  await tell(target, calls(3))
  await tell(target, calls(3).toReversed())
  await tell(target, calls(2))
  await tell(target, calls(1))
  const keys = receiver.received.map(({ headers }) => headers['idempotency-key'])
  expect(keys[0]).toMatch(/^analytics-[0-9a-f]{32}$/)
  expect(keys[1]).toBe(keys[0])
  expect(keys[2]).not.toBe(keys[0])
  expect(keys[3]).toBe('analytics-0')
})

test('one order that is refused costs the others nothing', async () => {
  const refused = ['analytics-5']
  const { receiver, target } = await openAnalytics({ size: 16, waitSeconds: 0.05 }, refused)
  const outcomes = await tell(target, calls(16))
  expect(outcomes.map(({ kind }) => kind)).toEqual(
    calls(16).map(({ idempotencyKey }) =>
      refused.includes(idempotencyKey) ? 'give-up' : 'delivered',
    ),
  )
  expect(outcomes[5]).toMatchObject({ answer: { status: 422, code: 'BAD' } })
  // Halves of 16: the whole, and two of each smaller size.
  expect(receiver.received).toHaveLength(9)
})

test('an order that cannot be written costs the others nothing', async () => {
  const body: BatchOptions['body'] = (some) => {
    if (some.some(({ idempotencyKey }) => idempotencyKey === 'analytics-1'))
      throw new Error('no SKU')
    return { messages: some.map(({ idempotencyKey }) => ({ idempotencyKey })) }
  }
  const { target } = await openAnalytics({ size: 4, waitSeconds: 0.05, body })
  const outcomes = await tell(target, calls(4))
  expect(outcomes.map(({ kind }) => kind)).toEqual([
    'delivered',
    'give-up',
    'delivered',
    'delivered',
  ])
  expect(outcomes[1]).toMatchObject({ reason: 'targets.analytics.body threw: no SKU' })
})

test('a target that is down is no reason to ask it once for each order', async () => {
  const receiver = await startReceiver((response) =>
    response.writeHead(503, { 'retry-after': '7' }).end(),
  )
  const target = createTarget('analytics', batch({ url: receiver.url, size: 5 }))
  const outcomes = await tell(target, calls(5))
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({ kind: 'try-again', notBeforeSeconds: 7 })
  expect(receiver.received).toHaveLength(1)

  const gone = createTarget(
    'analytics',
    batch({ url: `http://127.0.0.1:${await freePort()}`, size: 2 }),
  )
  for (const outcome of await tell(gone, calls(2)))
    expect(outcome).toMatchObject({
      kind: 'try-again',
      reason: expect.stringMatching(/^not sent: /),
    })
})

test('answer says what becomes of each', async () => {
  const { target } = await openAnalytics({
    size: 3,
    answer: (_answer, some) => [
      undefined,
      tryAgain(`later, ${some[1]?.idempotencyKey}`),
      giveUp('never'),
    ],
  })
  const outcomes = await tell(target, calls(3))
  expect(outcomes).toMatchObject([
    { kind: 'delivered', answer: { status: 200 } },
    { kind: 'try-again', reason: 'later, analytics-1' },
    { kind: 'give-up', reason: 'never', answer: { status: 200 } },
  ])
})

test.each([
  ['too few', () => [], 'targets.analytics.answer returned 0 outcomes for 2 deliveries'],
  ['no outcomes', () => [1, 2], 'targets.analytics.answer returned something else than outcomes'],
  [
    'an error',
    () => {
      throw new Error('x')
    },
    'targets.analytics.answer threw: x',
  ],
])('what answer cannot say, %s, is a dead letter that names it', async (_case, answer, reason) => {
  const { target } = await openAnalytics({ size: 2, answer: answer as () => never })
  expect(await tell(target, calls(2))).toMatchObject([
    { kind: 'give-up', reason },
    { kind: 'give-up', reason },
  ])
})

test('a call that ends before its request was made was not made; one that ends later is uncertain', async () => {
  const sent = Promise.withResolvers<void>()
  const receiver = await startReceiver(() => sent.resolve())
  const target = createTarget('analytics', batch({ url: receiver.url, size: 2, waitSeconds: 10 }))
  const early = new AbortController()
  const waiting = target.call(exampleCall({ signal: early.signal }))
  early.abort(new Error('stopped'))
  expect(await waiting).toEqual({ kind: 'try-again', reason: 'not sent: stopped' })

  const late = new AbortController()
  const both = tell(target, calls(2, { signal: late.signal }))
  await sent.promise
  expect(receiver.received.map(keysIn)).toEqual([['analytics-0', 'analytics-1']])
  late.abort(new Error('stopped'))
  for (const outcome of await both) expect(outcome.kind).toBe('uncertain')
})

test('what an operator wrote is the whole request, and goes alone', async () => {
  const { receiver, target } = await openAnalytics({ size: 2, waitSeconds: 10 })
  const edited = { body: '{"messages":[{"idempotencyKey":"mine"}]}', format: 'json' }
  expect(await target.call(exampleCall({ edited }))).toMatchObject({ kind: 'delivered' })
  expect(receiver.received.map(keysIn)).toEqual([['mine']])
  const [told] = calls(1)
  const written = told && (await target.editing?.write(told, undefined))
  expect(JSON.parse(written && 'text' in written ? written.text : '')).toMatchObject({
    messages: [{ idempotencyKey: 'analytics-0' }],
  })
})

test('limits count deliveries, and their defaults are those of as many as a request holds', () => {
  const url = 'http://127.0.0.1:1'
  expect(createTarget('a', batch({ url, size: 50 }))).toMatchObject({
    concurrency: 100,
    circuit: { failuresInARow: 250, minimumCalls: 1_000 },
  })
  expect(createTarget('a', batch({ url, circuit: false }))).toMatchObject({
    concurrency: 200,
    circuit: null,
  })
})
