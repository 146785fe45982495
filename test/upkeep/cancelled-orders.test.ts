import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'

import { readStanding } from '#deliveries/read-standing.ts'
import { buyerStory } from '#orders/buyer-story.ts'
import { cancelOrder } from '#orders/cancel-order.ts'
import { isOver, orderChanges } from '#orders/order-changes.ts'
import { readOrder } from '#orders/read-order.ts'
import { readWatched } from '#orders/read-watched.ts'
import { summarizeOrders } from '#orders/summarize-orders.ts'
import { nothingTold } from '#orders/told-progress.ts'
import { readTimeline } from '#status/read-timeline.ts'
import { dropMonths } from '#upkeep/drop-months.ts'

import { beginMonthsAgo, placeOrderMonthsAgo } from '../support/past-months.ts'
import { openTestShop, testTarget } from '../support/test-shop.ts'

/** A shop of five months whose orders were paid here, and were all told of. */
async function openOldShop() {
  const targets = ['erp', 'payment'].map((name) => testTarget(name))
  const all = ['erp', 'payment']
  const shop = await openTestShop(targets, { 'order.placed': all, 'order.cancelled': all })
  onTestFinished(() => shop.close())
  const { db } = shop
  await beginMonthsAgo(db, 5)
  return {
    ...shop,
    async place(monthsAgo: number, paid: 'authorized' | 'captured') {
      const { orderId } = await placeOrderMonthsAgo(db, monthsAgo)
      const mode = paid === 'captured' ? 'capture' : 'authorise'
      await sql`
        insert into orderwheel.payments (order_id, external_id, state, provider, mode, reference, settled_at)
        select id, external_id, ${paid}, 'cards', ${mode}, 'ch_1', received_at from orderwheel.orders where id = ${orderId}`.execute(
        db,
      )
      await this.tell()
      return orderId
    },
    async cancel(orderId: string, monthsAgo: number, hoursLater = 0) {
      await sql`
        insert into orderwheel.outbox (id, order_id, kind, created_at)
        select uuidv7(by), ${orderId}, 'order.cancelled', now() + by
          from (select make_interval(months => -${monthsAgo}::int, hours => ${hoursLater}::int) as by) s`.execute(
        db,
      )
      await this.tell()
    },
    async tell() {
      await shop.relay()
      const worker = shop.startWorker()
      await worker.drained(AbortSignal.timeout(30_000))
      await worker.stop()
    },
    /** So that of its order only the void is told. */
    skipCapture: (orderId: string) =>
      sql`update orderwheel.deliveries set state = 'skipped'
           where order_id = ${orderId} and target = 'payment' and state = 'delivered'`.execute(db),
    async look(id: string) {
      const order = await readOrder(db, { id })
      return [order?.state, order?.payment?.status]
    },
    watched: async (id: string) => {
      const order = (await readWatched(db, [id])).get(id)
      if (!order) throw new Error('There is no order.')
      return order
    },
  }
}

test('an order says that it was cancelled, and what became of its money, when the history that told so is dropped', async () => {
  const shop = await openOldShop()
  const { db } = shop
  const completed = await shop.place(4, 'captured')
  const refunded = await shop.place(4, 'captured')
  const voided = await shop.place(4, 'authorized')
  const captured = await shop.place(4, 'authorized')
  await shop.skipCapture(voided)
  for (const id of [refunded, voided]) await shop.cancel(id, 4)
  const ids = [completed, refunded, voided, captured]
  const before = await Promise.all(ids.map((id) => shop.look(id)))
  expect(before).toEqual([
    ['completed', 'captured'],
    ['cancelled', 'refunded'],
    ['cancelled', 'voided'],
    ['completed', 'captured'],
  ])

  expect((await dropMonths(db, 3)).at(-1)).toMatchObject({ kind: 'dropped' })

  expect((await readOrder(db, { id: refunded }))?.messages).toEqual([])
  expect(await Promise.all(ids.map((id) => shop.look(id)))).toEqual(before)
  const summaries = await summarizeOrders(db, ids)
  expect(Object.fromEntries(summaries.map(({ id, state }) => [id, state]))).toEqual({
    [completed]: 'completed',
    [refunded]: 'cancelled',
    [voided]: 'cancelled',
    [captured]: 'completed',
  })
  expect(await readTimeline(db, refunded)).toContainEqual(
    expect.objectContaining({ event: 'order.cancelled' }),
  )
  const again = await db
    .transaction()
    .execute((tx) => cancelOrder(tx, { id: voided, reason: null }))
  expect(again).toEqual({
    kind: 'too-late',
    why: expect.stringMatching(/^It was cancelled at 20\d\d-.*; what happened to it is not kept/),
  })
})

test('its buyer, and whoever follows it, is told that it was cancelled, and when', async () => {
  const shop = await openOldShop()
  const id = await shop.place(4, 'captured')
  await shop.cancel(id, 4)
  const { messages } = await shop.watched(id)
  const cancelledAt = new Date(messages.at(-1)?.createdAt ?? '').toISOString()

  await dropMonths(shop.db, 3)

  const order = await shop.watched(id)
  expect(buyerStory(order)).toEqual({
    steps: [{ state: 'cancelled', at: cancelledAt }],
    isOver: true,
  })
  const told = nothingTold()
  expect([...orderChanges(order, told)]).toEqual([
    { event: 'order', state: 'cancelled', at: cancelledAt },
  ])
  expect(isOver(order, told.state)).toBe(true)
})

test('what is captured in one month and given back in a later one counts as refunded, month by month', async () => {
  const shop = await openOldShop()
  const id = await shop.place(4, 'authorized')
  await shop.cancel(id, 2)
  const ended = ['cancelled', 'refunded']
  expect(await shop.look(id)).toEqual(ended)
  for (const keep of [3, 1]) {
    await dropMonths(shop.db, keep)
    expect(await shop.look(id)).toEqual(ended)
  }
  expect((await readOrder(shop.db, { id }))?.messages).toEqual([])
})

test('of a month it is found out hour by hour', async () => {
  const shop = await openOldShop()
  const id = await shop.place(4, 'authorized')
  await shop.cancel(id, 4, 3)
  const ended = ['cancelled', 'refunded']
  expect(await shop.look(id)).toEqual(ended)
  const { rows } = await sql<{ first: number; later: number }>`
    select orderwheel.keep_endings(received_at - interval '1 hour', received_at + interval '1 hour') as first,
           (select cancelled_at is null from orderwheel.orders where id = o.id)::int as later
      from orderwheel.orders o where id = ${id}`.execute(shop.db)
  expect(rows).toEqual([{ first: 0, later: 1 }])
  await dropMonths(shop.db, 1)
  expect((await readOrder(shop.db, { id }))?.messages).toEqual([])
  expect(await shop.look(id)).toEqual(ended)
})

test('what was captured before its history was dropped is refunded, not voided', async () => {
  const shop = await openOldShop()
  const id = await shop.place(4, 'authorized')
  await dropMonths(shop.db, 3)
  await shop.cancel(id, 0)
  const messageId = (await readOrder(shop.db, { id }))?.messages[0]?.id ?? ''
  const standing = { orderId: id, messageId, target: 'payment' }
  expect((await readStanding(shop.db, standing)).told).toContain('order.placed')
  expect((await readStanding(shop.db, { ...standing, target: 'erp' })).told).not.toContain(
    'order.placed',
  )
})
