import { afterEach, expect, test } from 'vitest'

import { batch } from '#targets/http/batch.ts'

import { openTestShop, type TestShop } from '../support/test-shop.ts'
import { createTarget } from '../targets/support/create-target.ts'
import { startReceiver } from '../targets/support/start-receiver.ts'

let shop: TestShop
afterEach(() => shop.close())

test('a hundred orders are a few requests, each order told once, and one that is refused a dead letter of its own', async () => {
  const analytics = await startReceiver((response, { body }) =>
    response.writeHead(body.includes(bad) ? 422 : 200).end(),
  )
  const target = createTarget('analytics', batch({ url: analytics.url, size: 50, circuit: false }))
  shop = await openTestShop([target])
  const placed = []
  for (let order = 0; order < 100; order++) placed.push(await shop.placeOrder())
  const bad = placed[42]?.messageId ?? ''
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(50_000))

  const states = await Promise.all(placed.map(({ orderId }) => shop.deliveries(orderId)))
  const expected = placed.map(({ messageId }) => ({
    analytics: messageId === bad ? 'dead' : 'delivered',
  }))
  expect(states).toEqual(expected)
  const taken = analytics.received.filter(({ body }) => !body.includes(bad))
  const told = taken.flatMap(({ body }) =>
    (JSON.parse(body) as { messages: { message: { id: string } }[] }).messages.map(
      ({ message }) => message.id,
    ),
  )
  expect(told.toSorted()).toEqual(
    placed.flatMap(({ messageId }) => (messageId === bad ? [] : messageId)).toSorted(),
  )
  // Two when claims are full, some more when not; and about twice the halvings of fifty for the refused one.
  expect(analytics.received.length).toBeLessThan(40)
  const letters = await shop.db.selectFrom('orderwheel.dead_letters').select('message_id').execute()
  expect(letters).toEqual([{ message_id: bad }])
})
