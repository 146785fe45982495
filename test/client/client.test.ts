import { globSync, readFileSync } from 'node:fs'

import { createClient, NoAnswerError, type Order, ProblemError } from 'orderwheel/client'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { freePort } from '#embedded-postgres/free-port.ts'

import { pauseMs } from '../../src/client/pause-ms.ts'
import { readRetryAfter } from '../../src/client/read-retry-after.ts'
import { newOrder, startTestApi, type TestApi } from '../http/test-api.ts'
import { eventually } from '../support/eventually.ts'
import { type Mishap, startFlakyFront } from '../support/start-flaky-front.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api.close())

async function behind(mishaps: Mishap[]) {
  const front = await startFlakyFront(api.url, mishaps)
  onTestFinished(() => front.stop())
  return { front, orderwheel: createClient({ url: front.url, apiKey: api.key }) }
}

test('an order whose answers get lost is placed once, under one key', async () => {
  const { front, orderwheel } = await behind(['lose-answer', 'cut-short', 'refuse'])
  const order = newOrder()
  const placed = await orderwheel.placeOrder(order)
  expect(placed).toMatchObject({ externalId: order.externalId, state: 'received' })
  expect(front.passed.map(({ mishap }) => mishap)).toEqual([
    'lose-answer',
    'cut-short',
    'refuse',
    'pass',
  ])
  const keys = new Set(front.passed.map(({ idempotencyKey }) => idempotencyKey))
  expect([...keys]).toEqual([expect.stringMatching(`^${order.externalId}:[0-9a-f]{32}$`)])
  expect(await ordersOf(order)).toBe(1)
  expect(await orderwheel.getOrder(placed.id)).toMatchObject({ id: placed.id, order })
  expect(await orderwheel.findOrder(order.externalId)).toMatchObject({ id: placed.id })
})

test('a storefront that was started anew sends the same order under the same key', async () => {
  const order = newOrder()
  const before = await createClient({ url: api.url, apiKey: api.key }).placeOrder(order)
  const { front, orderwheel } = await behind([])
  expect(await orderwheel.placeOrder(order)).toEqual(before)
  const key = front.passed[0]?.idempotencyKey
  const corrected = await orderwheel.placeOrder({ ...order, note: 'ring' }).catch((e: unknown) => e)
  expect(corrected).toMatchObject({ code: 'order-exists', orderId: before.id, status: 409 })
  expect(front.passed[1]?.idempotencyKey).not.toBe(key)
  const chosen = newOrder()
  await orderwheel.placeOrder(chosen, { idempotencyKey: 'mine' })
  expect(front.passed[2]?.idempotencyKey).toBe('mine')
})

test('an order whose cancellation’s answers get lost is cancelled once', async () => {
  const { orderwheel } = await behind(['pass', 'lose-answer', 'cut-short', 'refuse'])
  const { id } = await orderwheel.placeOrder(newOrder())
  const cancelled = await orderwheel.cancelOrder(id, { reason: 'changed my mind' })
  expect(cancelled).toMatchObject({ orderId: id, reason: 'changed my mind' })
  const again = await orderwheel.cancelOrder(id)
  expect(again).toEqual(cancelled)
  expect(await orderwheel.getOrder(id)).toMatchObject({ state: 'cancelled' })
  const nobody = '0199d7a0-0000-7000-8000-000000000000'
  await expect(orderwheel.cancelOrder(nobody)).rejects.toMatchObject({ code: 'order-not-found' })
})

test('Retry-After is waited for in full, with some jitter on top', async () => {
  const { front, orderwheel } = await behind(['refuse'])
  await orderwheel.placeOrder(newOrder())
  const [first = 0, second = 0] = front.passed.map(({ atMs }) => atMs)
  expect(second - first).toBeGreaterThanOrEqual(990)
  const pauses = Array.from({ length: 200 }, () => pauseMs(3, 2))
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(2_000)
  expect(Math.max(...pauses)).toBeLessThan(3_000)
  expect(new Set(pauses).size).toBeGreaterThan(100)
  expect(Math.max(...Array.from({ length: 200 }, () => pauseMs(60)))).toBeLessThanOrEqual(5_000)
  const now = Date.parse('2026-11-23T10:00:00Z')
  expect(readRetryAfter('Mon, 23 Nov 2026 10:00:30 GMT', now)).toBe(30)
  expect(readRetryAfter('Mon, 23 Nov 2026 09:00:00 GMT', now)).toBe(0)
  expect(readRetryAfter('-5', now)).toBeUndefined()
})

test('an order that breaks rules is refused at once, with every rule it breaks', async () => {
  const { front, orderwheel } = await behind([])
  const wrong = { ...newOrder(), currency: 'XXX', items: [] } as Order
  const error = await orderwheel.placeOrder(wrong).catch((e: unknown) => e)
  expect(error).toBeInstanceOf(ProblemError)
  expect(error).toMatchObject({
    code: 'invalid-order',
    type: '/problems/invalid-order',
    status: 422,
    title: 'The order breaks at least one rule',
    errors: expect.arrayContaining([{ pointer: '/currency', detail: expect.any(String) }]),
  })
  expect(front.passed).toHaveLength(1)
  const stranger = createClient({ url: api.url, apiKey: 'ow_live_unknown' })
  await expect(stranger.placeOrder(newOrder())).rejects.toMatchObject({ code: 'unauthorized' })
  expect(await orderwheel.findOrder('NOWHERE')).toBeUndefined()
})

test('who cannot connect is told to where, and why', async () => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const client = createClient({ url, apiKey: api.key, timeoutSeconds: 0.2 })
  await expect(client.placeOrder(newOrder())).rejects.toThrow(
    `: fetch failed: connect ECONNREFUSED 127.0.0.1:${port}. Send it again`,
  )
})

test('who gets no answer in time is told the key to go on with; who was only refused, why', async () => {
  const { front } = await behind(['lose-answer', ...Array<Mishap>(50).fill('refuse')])
  const impatient = createClient({ url: front.url, apiKey: api.key, timeoutSeconds: 0.5 })
  const order = newOrder()
  const error = await impatient.placeOrder(order).catch((e: unknown) => e)
  expect(error).toBeInstanceOf(NoAnswerError)
  const { idempotencyKey = '' } = error as NoAnswerError
  const orderwheel = createClient({ url: api.url, apiKey: api.key })
  const placed = await orderwheel.placeOrder(order, { idempotencyKey })
  expect(placed.externalId).toBe(order.externalId)
  expect(await ordersOf(order)).toBe(1)

  const busy: typeof fetch = async () =>
    Response.json({ code: 'intake-overloaded' }, { status: 429, headers: { 'retry-after': '60' } })
  const client = createClient({ url: api.url, apiKey: api.key, fetch: busy })
  await expect(client.placeOrder(newOrder())).rejects.toMatchObject({
    code: 'intake-overloaded',
    retryAfterSeconds: 60,
  })
})

test('an answer that never comes is not waited for longer than asked, and a buyer who leaves ends the waiting', async () => {
  const asked: AbortSignal[] = []
  const never: typeof fetch = (_url, init) =>
    new Promise((_resolve, reject) => {
      const { signal } = init ?? {}
      if (!signal) throw new Error('A request without an end.')
      asked.push(signal)
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const common = { url: api.url, apiKey: api.key, fetch: never }
  const client = createClient({ ...common, timeoutSeconds: 0.4, attemptTimeoutSeconds: 0.1 })
  await expect(client.placeOrder(newOrder())).rejects.toBeInstanceOf(NoAnswerError)
  expect(asked.length).toBeGreaterThan(1)

  asked.length = 0
  const leaving = new AbortController()
  const placing = createClient(common).placeOrder(newOrder(), { signal: leaving.signal })
  await eventually(() => asked.length === 1)
  leaving.abort(new Error('gone'))
  await expect(placing).rejects.toThrow('gone')
  expect(asked).toHaveLength(1)
})

test('what no header may hold is refused instead of being sent again and again', async () => {
  const client = createClient({ url: api.url, apiKey: 'a\nb' })
  await expect(client.placeOrder(newOrder())).rejects.toBeInstanceOf(TypeError)
  expect(() => createClient({ url: 'orders.example.com', apiKey: '' })).toThrow(TypeError)
})

test('the client runs with nothing of the server, and nothing but fetch', () => {
  const folder = new URL('../../src/client/', import.meta.url)
  const imported = globSync('*.ts', { cwd: folder.pathname }).flatMap((file) =>
    [
      ...readFileSync(new URL(file, folder), 'utf8').matchAll(
        /^(import|export) (?!type ).*from '([^']+)'/gm,
      ),
    ].map(([, , name = '']) => name),
  )
  expect(imported.length).toBeGreaterThan(5)
  expect(imported.filter((name) => !name.startsWith('./'))).toEqual([])
})

async function ordersOf({ externalId }: Order): Promise<number | undefined> {
  const { rowCount } = await api.pool.query(
    'select from orderwheel.orders where external_id = $1',
    [externalId],
  )
  return rowCount ?? undefined
}
