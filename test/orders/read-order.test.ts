import { afterEach, beforeEach, expect, test } from 'vitest'

import { readOrder } from '#orders/read-order.ts'
import { giveUp, tryAgain, type Outcome } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
let answers: Outcome[]
beforeEach(async () => {
  answers = []
  shop = await openTestShop([
    testTarget('erp', { call: async () => answers.shift() ?? { kind: 'delivered' } }),
    testTarget('email', { after: ['erp'] }),
  ])
})
afterEach(() => shop.close())

test('an order that is not relayed yet is received and shows its message', async () => {
  const { orderId, messageId } = await shop.placeOrder()
  expect(await readOrder(shop.db, { id: orderId })).toMatchObject({
    state: 'received',
    messages: [{ id: messageId, kind: 'order.placed', relayedAt: null, refusal: null }],
    deliveries: [],
  })
})

test('an order on its way shows what waits for what, and what was answered', async () => {
  answers = [tryAgain('ERP is restarting', { answer: { status: 503, text: 'later' } })]
  const { orderId, messageId } = await shop.placeOrder()
  await shop.relay()
  shop.startWorker()
  const report = await eventually(async () => {
    const found = await readOrder(shop.db, { id: orderId })
    return found?.deliveries.some((delivery) => delivery.state === 'retrying') && found
  })
  const message = { id: messageId, kind: 'order.placed' }
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(report).toMatchObject({
    state: 'processing',
    receivedAt: time,
    messages: [{ relayedAt: time }],
    deliveries: [
      {
        target: 'email',
        message,
        state: 'waiting',
        attempts: [],
        attemptCount: 0,
        nextAttemptAt: null,
        waitsFor: [{ target: 'erp', messageId }],
      },
      {
        target: 'erp',
        message,
        state: 'retrying',
        attemptCount: 1,
        attempts: [
          {
            number: 1,
            startedAt: time,
            durationMs: expect.any(Number),
            outcome: 'try-again',
            reason: 'ERP is restarting',
            answer: { status: 503, text: 'later' },
          },
        ],
        nextAttemptAt: time,
        lastError: 'ERP is restarting',
        deliveredAt: null,
        waitsFor: [],
      },
    ],
  })
})

test('an order everybody was told of is completed, by either of its numbers', async () => {
  answers = [tryAgain('once')]
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  shop.startWorker()
  const report = await eventually(async () => {
    await shop.letTimePass()
    const found = await readOrder(shop.db, { id: orderId })
    return found?.state === 'completed' && found
  })
  expect(report.deliveries).toMatchObject([
    { target: 'email', state: 'delivered', lastError: null, deliveredAt: expect.any(String) },
    { target: 'erp', state: 'delivered', attemptCount: 2, lastError: null, nextAttemptAt: null },
  ])
  expect(await readOrder(shop.db, { externalId: report.externalId })).toEqual(report)
  expect(await readOrder(shop.db, { externalId: 'WEB-unknown' })).toBeUndefined()
})

test('an order with a dead delivery needs attention, says why, and names its dead letter', async () => {
  answers = [giveUp('the ERP does not know this SKU')]
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  shop.startWorker()
  const report = await eventually(async () => {
    const found = await readOrder(shop.db, { id: orderId })
    return found?.state === 'needs-attention' && found
  })
  expect(report.deliveries[1]).toMatchObject({
    state: 'dead',
    lastError: 'the ERP does not know this SKU',
  })
  const letter = await shop.db
    .selectFrom('orderwheel.dead_letters')
    .select('id')
    .executeTakeFirstOrThrow()
  expect(report.deliveries[1]?.deadLetterId).toBe(letter.id)
  expect(report.deliveries[0]?.deadLetterId).toBeNull()
})

test('a call under way is counted, and has nothing to show yet', async () => {
  const { orderId, messageId } = await shop.placeOrder()
  await shop.relay()
  await shop.db
    .updateTable('orderwheel.deliveries')
    .set({ state: 'active', attempts: 1 })
    .where('message_id', '=', messageId)
    .where('target', '=', 'erp')
    .execute()
  const report = await readOrder(shop.db, { id: orderId })
  const erp = report?.deliveries.find(({ target }) => target === 'erp')
  expect(erp).toMatchObject({ state: 'active', attemptCount: 2, attempts: [] })
})

test('a later message waits for the earlier one of the same order and target', async () => {
  const { orderId, messageId } = await shop.placeOrder()
  await shop.addMessage(orderId, 'order.placed')
  await shop.relay()
  const report = await readOrder(shop.db, { id: orderId })
  const later = report?.deliveries.filter((delivery) => delivery.message.id !== messageId)
  expect(later?.find(({ target }) => target === 'erp')).toMatchObject({
    state: 'waiting',
    waitsFor: [{ target: 'erp', messageId }],
  })
})

test('a message the relay refused is shown with the reason', async () => {
  const { orderId } = await shop.placeOrder()
  await shop.addMessage(orderId, 'order.unheard-of')
  await shop.relay()
  expect(await readOrder(shop.db, { id: orderId })).toMatchObject({
    state: 'needs-attention',
    messages: [{ refusal: null }, { kind: 'order.unheard-of', refusal: expect.any(String) }],
  })
})
