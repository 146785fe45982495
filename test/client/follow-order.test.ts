import { createClient, NoAnswerError, type OrderEvent } from 'orderwheel/client'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'

import { newOrder, startTestApi, type TestApi } from '../http/test-api.ts'
import { type Mishap, startFlakyFront } from '../support/start-flaky-front.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let api: TestApi
let shop: TestShop
beforeEach(async () => {
  api = await startTestApi()
  const targets = [testTarget('erp'), testTarget('mail', { after: ['erp'] })]
  shop = await openTestShop(targets, undefined, api)
})
afterEach(() => shop.close())

async function place(mishaps: Mishap[] = []) {
  const front = await startFlakyFront(api.url, mishaps)
  onTestFinished(() => front.stop())
  const { id } = await createClient({ url: api.url, apiKey: api.key }).placeOrder(newOrder())
  return { id, front, orderwheel: createClient({ url: front.url, apiKey: api.key }) }
}

async function tellAll(): Promise<void> {
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
}

async function allOf(events: AsyncIterable<OrderEvent>): Promise<OrderEvent[]> {
  const all: OrderEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

const sayings = (events: OrderEvent[]) =>
  events.map((event) => `${event.event === 'delivery' ? event.target : 'order'} ${event.state}`)

test('an order is followed from its beginning until nothing more will happen', async () => {
  const { id } = await place()
  const client = createClient({ url: api.url, apiKey: api.key })
  const seen: OrderEvent[] = []
  for await (const event of client.followOrder(id)) {
    // Only now does anything happen.
    if (seen.push(event) === 1) await tellAll()
  }
  expect(sayings(seen)[0]).toBe('order received')
  expect(sayings(seen)).toEqual(expect.arrayContaining(['erp delivered', 'mail delivered']))
  expect(sayings(seen).at(-1)).toBe('order completed')
  const third = seen[2]?.id ?? ''
  expect(await allOf(client.followOrder(id, { lastEventId: third }))).toEqual(seen.slice(3))
  expect(await allOf(client.followOrder(id, { lastEventId: seen.at(-1)?.id ?? '' }))).toEqual([])
})

test('a stream that breaks, and breaks again, is gone on with: nothing is missed, nothing comes twice', async () => {
  const mishaps: Mishap[] = ['lose-answer', 'cut-short', 'refuse', 'cut-short']
  const { id, front, orderwheel } = await place(mishaps)
  await tellAll()
  const client = createClient({ url: api.url, apiKey: api.key })
  const whole = await allOf(client.followOrder(id))
  expect(whole.length).toBeGreaterThan(5)
  expect(await allOf(orderwheel.followOrder(id))).toEqual(whole)
  expect(front.passed.map(({ mishap }) => mishap)).toEqual([...mishaps, 'pass'])
})

test('who follows nothing, or nobody, is told', async () => {
  const { id } = await place()
  const client = createClient({ url: api.url, apiKey: api.key })
  const nobody = '0199d7a0-0000-7000-8000-000000000000'
  await expect(allOf(client.followOrder(nobody))).rejects.toMatchObject({ code: 'order-not-found' })
  const down = createClient({ url: 'http://127.0.0.1:1', apiKey: api.key, timeoutSeconds: 0.3 })
  await expect(allOf(down.followOrder(id))).rejects.toBeInstanceOf(NoAnswerError)

  const leaving = new AbortController()
  const following = client.followOrder(id, { signal: leaving.signal })[Symbol.asyncIterator]()
  expect((await following.next()).value).toMatchObject({ event: 'order', state: 'received' })
  const next = following.next()
  leaving.abort(new Error('gone'))
  await expect(next).rejects.toThrow('gone')
})
