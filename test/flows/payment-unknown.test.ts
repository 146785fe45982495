import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { readOpen } from '#forget/read-open.ts'
import { cancelOrder } from '#orders/cancel-order.ts'
import { readOrder } from '#orders/read-order.ts'
import { listUnknown } from '#payments/list-unknown.ts'
import { reconcilePayments } from '#payments/reconcile-payments.ts'
import { settlePayment } from '#payments/record-charge.ts'
import { settleByHand } from '#payments/settle-by-hand.ts'
import { approved, notCharged } from '#targets/payment/charge-result.ts'
import { customPayment } from '#targets/payment/custom-payment.ts'
import { uncertain } from '#targets/outcome.ts'
import { repairFinding } from '#verify/repair.ts'
import type { ChargeResult } from '#targets/payment/charge-result.ts'

import { newOrder, startTestApi } from '../http/test-api.ts'
import { createPayment, letPaymentsBeDue, paymentOf } from '../payments/start-paying-shop.ts'
import { eventually } from '../support/eventually.ts'
import { openTestShop } from '../support/test-shop.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'

type Lookup = () => Promise<ChargeResult | undefined>

/** A shop whose gateway answers what the test says. `told`: what the ERP and the audit were told of. */
async function openShop(answer: () => Promise<ChargeResult>, lookup?: Lookup) {
  const given = { charges: 0, refunds: 0 }
  const config = createPayment(
    customPayment(
      async () => {
        given.charges += 1
        return answer()
      },
      {
        refund: async () => {
          given.refunds += 1
          return { kind: 'delivered' }
        },
        ...(lookup && { lookup }),
      },
    ),
  )
  const routes = { ...config.routes, 'order.cancelled': ['erp', 'payment'] }
  const api = await startTestApi({ payment: config.payment })
  const shop = await openTestShop(config.targets, routes, { ...api, close: async () => {} })
  onTestFinished(async () => {
    await shop.close()
    await api.close()
    await config.payment.close()
  })
  const { db } = shop
  return {
    ...shop,
    api,
    given,
    place: () =>
      api.post(newOrder({ payment: { token: 'tok' } }), { idempotencyKey: randomUUID() }),
    async pending() {
      const { status, body } = await this.place()
      expect([status, body]).toMatchObject([202, { state: 'awaiting-payment' }])
      return (body as { id: string }).id
    },
    cancel: (id: string) => db.transaction().execute((tx) => cancelOrder(tx, { id, reason: null })),
    insert: (id: string, kind: string) =>
      sql`insert into orderwheel.outbox (order_id, kind) values (${id}, ${kind})`.execute(db),
    async askAgain() {
      await letPaymentsBeDue(api)
      await reconcilePayments({
        db,
        gateway: config.payment,
        log: createLog('test', 'silent'),
        mayCharge: async () => true,
        outboxChanged: () => {},
      })
    },
    async tell() {
      await shop.relay()
      await shop.startWorker().drained(AbortSignal.timeout(30_000))
    },
    letHourPass: () =>
      sql`update orderwheel.outbox set created_at = created_at - interval '61 minutes'`.execute(db),
    /** Whether so many wait for a lock. */
    async areWaiting(count: number) {
      const { rows } = await sql`
        select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
      return rows.length === count
    },
    refusals: async () =>
      (
        await db.selectFrom('orderwheel.outbox').select('refusal').orderBy('position').execute()
      ).map((row) => row.refusal),
  }
}

const lost = async () => uncertain('answered 500') as ChargeResult

test('a message about an order that is not paid is refused, and nobody hears of the order', async () => {
  const shop = await openShop(lost)
  const id = await shop.pending()
  await shop.insert(id, 'order.placed')
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({})
  expect(await shop.refusals()).toEqual([
    expect.stringContaining('it is not known yet whether its order was paid'),
  ])
  // Paid now: told once.
  await settleByHand(shop.db, {
    orderId: id,
    settled: approved('ch_1') as { kind: 'approved'; reference: string },
    who: 'ada',
    reason: null,
  })
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({ erp: 'delivered' })
  const told = await shop.db.selectFrom('orderwheel.messages').select('kind').execute()
  expect(told).toEqual([{ kind: 'order.placed' }])
})

test('an order that is cancelled while it is not known whether it was paid is told to nobody but who gives the money back', async () => {
  const shop = await openShop(lost, async () => approved('ch_1'))
  const id = await shop.pending()
  expect((await shop.cancel(id)).kind).toBe('cancelled')
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({})
  expect((await readOrder(shop.db, { id }))?.state).toBe('cancelled')
  await shop.askAgain()
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({ payment: 'delivered' })
  expect(shop.given).toEqual({ charges: 1, refunds: 1 })
  expect(await readOrder(shop.db, { id })).toMatchObject({ payment: { status: 'refunded' } })
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('a storefront that asks again by repeating its request is told that the order was cancelled, before and after it is known what was charged', async () => {
  const shop = await openShop(lost, async () => approved('ch_1'))
  const order = newOrder({ payment: { token: 'tok' } })
  const idempotencyKey = randomUUID()
  const post = () => shop.api.post(order, { idempotencyKey })
  const { body } = await post()
  const { id } = body as { id: string }
  expect(await post()).toMatchObject({ status: 202, body: { state: 'awaiting-payment' } })
  await shop.cancel(id)
  const told = { status: 202, body: { id, state: 'cancelled' } }
  expect(await post()).toMatchObject(told)
  await shop.askAgain()
  expect(await post()).toMatchObject(told)
  await shop.tell()
  const again = await post()
  expect(again).toMatchObject(told)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await shop.api.get(`/orders?externalId=${order.externalId}`)).toMatchObject({
    ...told,
    status: 200,
  })
  // What says so was dropped.
  await sql`update orderwheel.orders set cancelled_at = now()`.execute(shop.db)
  for (const table of ['delivery_attempts', 'deliveries', 'messages'])
    await sql`delete from orderwheel.${sql.raw(table)}`.execute(shop.db)
  expect(await post()).toMatchObject(told)
})

test('an order that was paid here and is forgotten has no link to a page that is not there', async () => {
  const shop = await openShop(async () => approved('ch_1'))
  const order = newOrder({ payment: { token: 'tok' } })
  const post = () => shop.api.post(order, { idempotencyKey: order.externalId })
  expect((await post()).body).toHaveProperty('links.status')
  await shop.tell()
  await forgetPerson(shop.db, {
    person: { email: order.customer.email ?? '', customerId: null },
    who: 'test',
    reason: null,
    evenOpen: false,
    dryRun: false,
  })
  const { status, body } = await post()
  expect([status, body]).toMatchObject([202, { state: 'received' }])
  expect(body).not.toHaveProperty('links.status')
})

test('a cancelled order of which nothing was charged was declined, whoever asks again', async () => {
  const shop = await openShop(lost, async () => undefined)
  const order = newOrder({ payment: { token: 'tok' } })
  const post = () => shop.api.post(order, { idempotencyKey: order.externalId })
  const { body } = await post()
  await shop.cancel((body as { id: string }).id)
  await shop.letHourPass()
  await shop.askAgain()
  expect(await post()).toMatchObject({ status: 402, body: { code: 'payment-declined' } })
})

test('a buyer whose order is cancelled while the card is charged is told so at once', async () => {
  const asked = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const shop = await openShop(async () => {
    asked.resolve()
    await goOn.promise
    return approved('ch_1')
  })
  const answer = shop.place()
  await asked.promise
  const { id } = await shop.db
    .selectFrom('orderwheel.orders')
    .select('id')
    .executeTakeFirstOrThrow()
  await shop.cancel(id)
  goOn.resolve()
  expect(await answer).toMatchObject({ status: 202, body: { id, state: 'cancelled' } })
})

test('a cancelled order that the gateway knows no charge of is not charged any more', async () => {
  const shop = await openShop(lost, async () => undefined)
  const id = await shop.pending()
  await shop.cancel(id)
  await shop.letHourPass()
  await shop.askAgain()
  await shop.tell()
  expect(shop.given).toEqual({ charges: 1, refunds: 0 })
  expect(await paymentOf(shop.api, id)).toMatchObject({ state: 'declined', token: null })
  expect(await shop.deliveries(id)).toEqual({})
  expect(await shop.refusals()).toEqual([])
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('a charge that lands after the order was cancelled is found, and given back', async () => {
  let landed = false
  const shop = await openShop(lost, async () => (landed ? approved('ch_1') : undefined))
  const id = await shop.pending()
  await shop.cancel(id)
  await shop.askAgain()
  expect(await paymentOf(shop.api, id)).toMatchObject({ state: 'pending' })
  landed = true
  await shop.askAgain()
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({ payment: 'delivered' })
  expect(shop.given).toEqual({ charges: 1, refunds: 1 })
})

/** As a person would who knows what the gateway shows, or a version that does not know what follows from it. */
const captured = sql`update orderwheel.payments set state = 'captured', token = null, claimed_until = null, reference = 'ch_1', settled_at = now()`
const declinedPast = sql`update orderwheel.payments set state = 'declined', token = null, reason = 'no', settled_at = now()`

test('whoever writes down that an order was paid, by SQL too, has it told, and a cancellation of it relayed', async () => {
  const shop = await openShop(lost)
  const [placed, cancelled] = [await shop.pending(), await shop.pending()]
  await shop.cancel(cancelled)
  await captured.execute(shop.db)
  await shop.tell()
  expect(await shop.deliveries(placed)).toEqual({ erp: 'delivered' })
  expect(await shop.deliveries(cancelled)).toEqual({ payment: 'delivered' })
  expect(shop.given.refunds).toBe(1)
  expect(await readOrder(shop.db, { id: placed })).toMatchObject({
    state: 'completed',
    order: { payment: { status: 'captured', reference: 'ch_1', mode: 'capture' } },
  })
  expect(await readOrder(shop.db, { id: cancelled })).toMatchObject({
    state: 'cancelled',
    payment: { status: 'refunded' },
  })
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('whoever writes down by SQL that it was declined sets its number free, and nobody is told', async () => {
  const shop = await openShop(lost)
  const order = newOrder({ payment: { token: 'tok' } })
  const { body } = await shop.api.post(order, { idempotencyKey: randomUUID() })
  const { id } = body as { id: string }
  await shop.cancel(id)
  await declinedPast.execute(shop.db)
  expect((await shop.api.post(order, { idempotencyKey: randomUUID() })).status).toBe(202)
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({})
  expect(await shop.refusals()).toEqual([])
  expect((await readOrder(shop.db, { id }))?.state).toBe('cancelled')
})

test('a cancellation that is held for a payment that is known is found by verify, and relayed by its repair', async () => {
  const shop = await openShop(lost)
  const id = await shop.pending()
  await shop.cancel(id)
  await shop.db.transaction().execute(async (tx) => {
    // As restoring a copy does, and replicating into one.
    await sql`set local session_replication_role = replica`.execute(tx)
    await captured.execute(tx)
  })
  await sql`update orderwheel.outbox set created_at = now() - interval '2 hours'`.execute(shop.db)
  await shop.tell()
  const { findings } = await verifyShop(shop.db, { isFull: true })
  const [late] = findings
  if (!late || findings.length > 1) throw new Error('One finding was expected.')
  expect(late).toMatchObject({ kind: 'message-late', orderId: id })
  const deps = { db: shop.db, boss: shop.boss, afterOf: () => undefined, who: 'ada' }
  const repaired = await Promise.all([repairFinding(deps, late), repairFinding(deps, late)])
  // To the second it is not held any more, and late until a relay takes it.
  expect(repaired.map(({ kind }) => kind).toSorted()).toEqual(['for-a-person', 'mended'])
  await shop.tell()
  expect(shop.given.refunds).toBe(1)
  expect(await readOrder(shop.db, { id })).toMatchObject({ payment: { status: 'refunded' } })
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
  const audit = await shop.db
    .selectFrom('orderwheel.audit_log')
    .select(['who', 'subject', 'details'])
    .where('action', '=', 'message.released')
    .execute()
  expect(audit).toMatchObject([{ who: 'ada', subject: id, details: { before: 'held' } }])
})

/** As where triggers were disabled, or a copy was restored without. */
const withoutTrigger = sql`alter table orderwheel.payments disable trigger payment_settled`
const byAda = {
  settled: { kind: 'approved', reference: 'ch_1' },
  who: 'ada',
  reason: null,
} as const

test('what follows from a payment follows without the trigger, too, when we write it down', async () => {
  const shop = await openShop(lost)
  await withoutTrigger.execute(shop.db)
  const [orderId, cancelled] = [await shop.pending(), await shop.pending()]
  await shop.cancel(cancelled)
  for (const id of [orderId, cancelled])
    expect(await settleByHand(shop.db, { ...byAda, orderId: id })).toMatchObject({ told: true })
  await shop.tell()
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'delivered' })
  expect(await shop.deliveries(cancelled)).toEqual({ payment: 'delivered' })
  expect(await readOrder(shop.db, { id: orderId })).toMatchObject({
    order: { payment: { status: 'captured', reference: 'ch_1' } },
  })
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('an order that was paid past the trigger by SQL is found by verify, and told by its repair', async () => {
  const shop = await openShop(lost)
  await withoutTrigger.execute(shop.db)
  const id = await shop.pending()
  await captured.execute(shop.db)
  await shop.tell()
  const [silent] = (await verifyShop(shop.db, { isFull: true })).findings
  if (!silent) throw new Error('A finding was expected.')
  expect(silent).toMatchObject({ kind: 'order-without-message', orderId: id })
  const deps = { db: shop.db, boss: shop.boss, afterOf: () => undefined, who: 'ada' }
  const repaired = await Promise.all([repairFinding(deps, silent), repairFinding(deps, silent)])
  expect(repaired.map(({ kind }) => kind).toSorted()).toEqual(['gone', 'mended'])
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({ erp: 'delivered' })
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('what was told is not told again when the history that says so is dropped', async () => {
  const shop = await openShop(lost)
  const id = await shop.pending()
  await settleByHand(shop.db, { ...byAda, orderId: id })
  await shop.tell()
  await shop.cancel(id)
  await shop.tell()
  expect((await shop.attempts(id)).length).toBeGreaterThan(0)
  for (const table of ['delivery_attempts', 'deliveries', 'messages'])
    await sql`delete from orderwheel.${sql.raw(table)}`.execute(shop.db)
  await sql`select orderwheel.settle_order(${id})`.execute(shop.db)
  expect(await shop.db.selectFrom('orderwheel.outbox').select('kind').execute()).toEqual([])
})

test('what is cancelled by SQL at the moment it is paid by SQL is not told as placed after it', async () => {
  const shop = await openShop(lost)
  const id = await shop.pending()
  let paying: Promise<unknown> | undefined
  await shop.db.transaction().execute(async (tx) => {
    await sql`insert into orderwheel.outbox (order_id, kind) values (${id}, 'order.cancelled')`.execute(
      tx,
    )
    paying = captured.execute(shop.db)
    await eventually(() => shop.areWaiting(1))
  })
  await paying
  const outbox = await shop.db.selectFrom('orderwheel.outbox').select('kind').execute()
  expect(outbox).toEqual([{ kind: 'order.cancelled' }])
})

test("an order that is cancelled while its payment is being written down is lost in nobody's eyes", async () => {
  const shop = await openShop(lost)
  const id = await shop.pending()
  await shop.db.transaction().execute(async (tx) => {
    await sql`select now()`.execute(tx)
    await shop.cancel(id)
    await settlePayment(tx, { orderId: id, settled: { kind: 'approved', reference: 'ch_1' } })
  })
  const outbox = await shop.db.selectFrom('orderwheel.outbox').select('kind').execute()
  expect(outbox).toEqual([{ kind: 'order.cancelled' }])
  await shop.tell()
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('a buyer whose charge worked is told so, though somebody who writes it down by SQL was in the way', async () => {
  const asked = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const shop = await openShop(async () => {
    asked.resolve()
    await goOn.promise
    return approved('ch_1')
  })
  const answer = shop.place()
  await asked.promise
  let person: Promise<unknown> | undefined
  await shop.db.transaction().execute(async (tx) => {
    await sql`select from orderwheel.payments for update`.execute(tx)
    person = shop.db.transaction().execute(async (theirs) => {
      // Not theirs is ended when the two wait for each other.
      await sql`set local deadlock_timeout = '1h'`.execute(theirs)
      await captured.execute(theirs)
    })
    await eventually(() => shop.areWaiting(1))
    goOn.resolve()
    await eventually(() => shop.areWaiting(2))
  })
  expect(await answer).toMatchObject({ status: 202, body: { state: 'received' } })
  await person
  await shop.tell()
  const told = await shop.db.selectFrom('orderwheel.messages').select('kind').execute()
  expect(told).toEqual([{ kind: 'order.placed' }])
})

test('without a lookup, a cancelled order and one that is a day old are left to a person, who ends them', async () => {
  const shop = await openShop(lost)
  const [cancelled, old, young] = [await shop.pending(), await shop.pending(), await shop.pending()]
  await shop.cancel(cancelled)
  await sql`update orderwheel.payments set begun_at = now() - interval '24 hours' where order_id = ${old}`.execute(
    shop.db,
  )
  await shop.askAgain()
  await shop.askAgain()
  // Only the young one was asked about, twice.
  expect(shop.given.charges).toBe(3 + 2)
  const unknown = await listUnknown(shop.db)
  expect(unknown.map(({ orderId, askedNextAt }) => [orderId, askedNextAt === null])).toEqual([
    [old, true],
    [cancelled, true],
    [young, false],
  ])
  const by = { who: 'ada', reason: 'the gateway shows nothing' }
  const settled = { kind: 'declined', reason: by.reason } as const
  expect(await settleByHand(shop.db, { orderId: cancelled, settled, ...by })).toMatchObject({
    kind: 'settled',
    state: 'declined',
  })
  expect(await settleByHand(shop.db, { orderId: cancelled, settled, ...by })).toEqual({
    kind: 'not-pending',
    state: 'declined',
  })
  await settleByHand(shop.db, { orderId: old, settled, ...by })
  expect((await readOpen(shop.db, old))?.kept).toEqual([])
  const audit = await shop.db
    .selectFrom('orderwheel.audit_log')
    .select(['who', 'subject', 'reason', 'details'])
    .where('action', '=', 'payment.settled')
    .execute()
  expect(audit).toContainEqual({
    who: 'ada',
    subject: old,
    reason: by.reason,
    details: { before: 'pending', after: 'declined' },
  })
})

test('a payment that is being asked about at this moment is not ended by hand', async () => {
  const shop = await openShop(lost)
  const orderId = await shop.pending()
  await sql`update orderwheel.payments set claimed_until = now() + interval '1 minute'`.execute(
    shop.db,
  )
  const given = {
    orderId,
    settled: { kind: 'declined', reason: 'no' },
    who: 'ada',
    reason: 'no',
  } as const
  expect(await settleByHand(shop.db, given)).toMatchObject({ kind: 'being-asked' })
})

test('an order is not taken back when somebody was told that it is cancelled', async () => {
  const asked = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const shop = await openShop(async () => {
    asked.resolve()
    await goOn.promise
    return notCharged('no such route')
  })
  const answer = shop.place()
  await asked.promise
  const { id } = await eventually(() =>
    shop.db.selectFrom('orderwheel.orders').select('id').executeTakeFirst(),
  )
  await shop.cancel(id)
  goOn.resolve()
  expect(await answer).toMatchObject({ status: 402, body: { code: 'payment-declined' } })
  await shop.tell()
  expect((await readOrder(shop.db, { id }))?.state).toBe('cancelled')
  expect(await shop.deliveries(id)).toEqual({})
})

test('a declined order is told to nobody, whatever is inserted for it', async () => {
  const shop = await openShop(async () => ({ kind: 'declined', reason: 'no' }))
  const { status, body } = await shop.place()
  expect(status).toBe(402)
  const { orderId: id } = body as { orderId: string }
  await shop.insert(id, 'order.placed')
  await shop.insert(id, 'order.cancelled')
  await shop.tell()
  expect(await shop.deliveries(id)).toEqual({})
  expect(await shop.refusals()).toEqual([expect.stringContaining('payment was declined'), null])
})
