import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { createOwnKind } from '#messages/own-kinds.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { addOwnMessage } from '#orders/add-own-message.ts'
import { readMessage } from '#orders/read-message.ts'
import { listLetters } from '#dead-letters/list-letters.ts'
import { readLetter } from '#dead-letters/read-letter.ts'
import { custom } from '#targets/custom.ts'
import { delivered, giveUp, type Outcome } from '#targets/outcome.ts'
import { targetKinds } from '#targets/target-kinds.ts'
import type { MessageToTell } from '#targets/target.ts'
import { dropMonths } from '#upkeep/drop-months.ts'
import { readTimeline } from '#status/read-timeline.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

const kinds = new Map([
  [
    'stock.changed',
    createOwnKind({
      type: 'object',
      required: ['sku', 'quantity'],
      properties: { sku: { type: 'string' }, quantity: { type: 'integer', minimum: 0 } },
      additionalProperties: false,
    }),
  ],
  ['parcel.sent', createOwnKind({ type: 'object' })],
])

const routes = {
  'order.placed': ['erp'],
  'stock.changed': ['erp', 'analytics'],
  'parcel.sent': ['erp'],
}

async function openShop(
  answer: (target: string, message: MessageToTell) => Outcome = () => delivered(),
) {
  const told: { target: string; message: MessageToTell; order: string | null }[] = []
  const targets = ['erp', 'analytics'].map((name) =>
    testTarget(name, {
      after: name === 'analytics' ? ['erp'] : [],
      async call(call) {
        const outcome = answer(name, call.message)
        if (outcome.kind === 'delivered') {
          const order = call.message.orderId === null ? null : call.order.externalId
          told.push({ target: name, message: call.message, order })
        }
        return outcome
      },
    }),
  )
  shop = await openTestShop(targets, routes)
  shop.relayOptions.kinds = kinds
  return told
}

const change = { sku: 'IPOD-GREEN', quantity: 7 }

async function insert(kind: string, payload: unknown, orderId: string | null = null) {
  const { rows } = await sql<{ id: string }>`
    insert into orderwheel.outbox (order_id, kind, payload)
    values (${orderId}::uuid, ${kind}, ${JSON.stringify(payload)}::jsonb) returning id`.execute(
    shop.db,
  )
  return rows[0]?.id ?? ''
}

async function workOff() {
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
}

async function expectNothingFound() {
  for (const isFull of [false, true])
    expect(listFound(await verifyShop(shop.db, { isFull }))).toEqual([])
}

test('a message about no order is told to its targets, one after the other, with its payload', async () => {
  const told = await openShop()
  const id = await insert('stock.changed', change)
  await expectNothingFound()
  await shop.relay()
  await expectNothingFound()
  expect(await readMessage(shop.db, id)).toMatchObject({
    kind: 'stock.changed',
    orderId: null,
    externalId: null,
    state: 'processing',
    deliveries: [
      { target: 'analytics', state: 'waiting', waitsFor: [{ target: 'erp', messageId: id }] },
      { target: 'erp', state: 'queued' },
    ],
  })
  await workOff()

  expect(told.map(({ target }) => target)).toEqual(['erp', 'analytics'])
  expect(told[0]).toMatchObject({
    order: null,
    message: { id, kind: 'stock.changed', orderId: null, payload: change },
  })
  expect(await readMessage(shop.db, id)).toMatchObject({ state: 'completed' })
  await expectNothingFound()
})

test('messages about no order wait for no other, however many there are', async () => {
  const told = await openShop((_, { payload }) =>
    JSON.stringify(payload).includes('BAD') ? giveUp('unknown article') : delivered(),
  )
  await insert('stock.changed', { ...change, sku: 'BAD' })
  for (let quantity = 0; quantity < 20; quantity += 1)
    await insert('stock.changed', { ...change, quantity })
  await workOff()
  expect(told.filter(({ target }) => target === 'erp')).toHaveLength(20)
})

test('a message about an order is told after what happened to it before', async () => {
  const told = await openShop()
  const { orderId } = await shop.placeOrder()
  const id = await insert('parcel.sent', { tracking: 'JD01' }, orderId)
  await workOff()
  await eventually(() => told.length === 2)
  expect(told.map(({ message }) => message.kind)).toEqual(['order.placed', 'parcel.sent'])
  expect(told[1]?.message.orderId).toBe(orderId)
  expect(told[1]?.order).toMatch(/^WEB-/)
  expect(await readMessage(shop.db, id)).toMatchObject({ orderId, state: 'completed' })
  await expectNothingFound()
})

test('a message of which a target wants no more becomes a dead letter that a person finds and decides on', async () => {
  let isMended = false
  const told = await openShop(() => (isMended ? delivered() : giveUp('no such article')))
  const id = await insert('stock.changed', change)
  await workOff()
  const { db, boss } = shop
  expect(await readMessage(db, id)).toMatchObject({ state: 'needs-attention' })
  const page = await listLetters(db, { filter: {}, state: 'open', limit: 10 })
  expect(page?.letters).toMatchObject([
    { target: 'erp', externalId: null, message: { id, kind: 'stock.changed' } },
  ])
  expect(await readLetter(db, page?.letters[0]?.id ?? '')).toMatchObject({ externalId: null })
  await expectNothingFound()

  isMended = true
  const decision = { messageId: id, target: 'erp', decision: 'try-again', who: 'ada' } as const
  await decideDelivery({ db, boss }, { ...decision, reason: 'the article is there' })
  await eventually(() => told.length === 2)
  const story = await eventually(async () => {
    const timeline = await readTimeline(db, id)
    return timeline.filter(({ event }) => event === 'delivered').length === 2 && timeline
  })
  expect(story.map(({ event }) => event)).toEqual([
    'stock.changed',
    'give-up',
    'dead letter',
    'dead letter replayed by ada',
    'tried again by ada',
    'delivered',
    'delivered',
  ])
  await expectNothingFound()
})

test('a row that breaks its schema, is of an unknown kind or too large is refused with a sentence, and nobody waits for it', async () => {
  const told = await openShop()
  const wrong = await insert('stock.changed', { sku: 7, extra: 1 })
  const unknown = await insert('stock.counted', {})
  const large = await insert('parcel.sent', { note: 'x'.repeat(300_000) })
  const good = await insert('stock.changed', change)
  await workOff()

  expect(told.map(({ message }) => message.id)).toEqual([good, good])
  const refusals = await Promise.all(
    [wrong, unknown, large].map(async (id) => await readMessage(shop.db, id)),
  )
  expect(refusals.map((one) => one?.state)).toEqual(Array(3).fill('needs-attention'))
  expect(refusals[0]?.refusal).toMatch(
    /payload is not what stock.changed has to be: .*\/quantity is required/,
  )
  expect(refusals[1]?.refusal).toMatch('unknown kind stock.counted')
  expect(refusals[2]?.refusal).toMatch('larger than 262144 bytes')
  expect((await readTimeline(shop.db, wrong))[0]?.detail).toMatch('not relayed: ')
  expect(listFound(await verifyShop(shop.db))).toEqual(Array(3).fill('message-refused'))

  // Once it is declared, it is told.
  shop.relayOptions.kinds = new Map([...kinds, ['stock.counted', createOwnKind({})]])
  await sql`update orderwheel.outbox set try_after = now() where id = ${unknown}`.execute(shop.db)
  await shop.relay()
  expect(await readMessage(shop.db, unknown)).toMatchObject({ state: 'completed', refusal: null })
})

test('what happened to an order cannot be told without the order', async () => {
  await openShop()
  await expect(insert('order.cancelled', {})).rejects.toThrow('outbox_order_kinds_have_orders')
})

test('a message whose row is gone is noticed, and so is one that nobody relays', async () => {
  await openShop()
  const { rows } = await sql<{ id: string }>`
    insert into orderwheel.outbox (id, kind, payload, created_at)
    values (uuidv7(interval '-1 hour'), 'stock.changed', ${JSON.stringify(change)}::jsonb, now() - interval '1 hour')
    returning id`.execute(shop.db)
  const id = rows[0]?.id ?? ''
  expect(listFound(await verifyShop(shop.db))).toEqual(['message-late'])
  await shop.relay()
  await verifyShop(shop.db)
  await sql`delete from orderwheel.deliveries where message_id = ${id}`.execute(shop.db)
  expect(listFound(await verifyShop(shop.db))).toContain('delivery-missing erp')
  await sql`delete from orderwheel.messages where id = ${id}`.execute(shop.db)
  expect(listFound(await verifyShop(shop.db))).toContain('message-missing')
})

test('an order and a message that were added and rolled back with the shop’s own change tell nobody', async () => {
  const told = await openShop()
  const rolledBack = shop.db.transaction().execute(async (tx) => {
    await addOwnMessage(tx, { kind: 'stock.changed', payload: change, about: null })
    throw new Error('the stock was not changed')
  })
  await expect(rolledBack).rejects.toThrow('not changed')
  await workOff()
  expect(told).toEqual([])
})

test('code that looks at the order of a message about none is told so, and the message is a dead letter', async () => {
  const { kind, options } = custom(async ({ order }) => {
    await Promise.resolve(order.id)
  })
  const target = targetKinds[kind].create('erp', options, { directory: '.' })
  shop = await openTestShop([target], { 'stock.changed': ['erp'] })
  shop.relayOptions.kinds = kinds
  const id = await insert('stock.changed', change)
  await workOff()
  const story = await readMessage(shop.db, id)
  expect(story?.deliveries[0]).toMatchObject({
    state: 'dead',
    attemptCount: 1,
    lastError: `message stock.changed ${id} is about no order: there is only message.payload`,
  })
})

test('messages about no order go with their month of history', async () => {
  await openShop()
  await insert('stock.changed', change)
  await workOff()
  // Nothing of this month is dropped, and nothing of it stands in the way.
  expect(await dropMonths(shop.db, 1)).toEqual([])
})
