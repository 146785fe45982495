import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Db } from '#database/open-database.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { giveUp, tryAgain } from '#targets/outcome.ts'
import { findingKinds } from '#verify/finding.ts'
import { repairFinding } from '#verify/repair.ts'
import type { Verification } from '#verify/read-verification.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'

let shop: TestShop
// What the ERP answers: delivered, unless a test says otherwise.
let erpFails = false

beforeEach(async () => {
  erpFails = false
  shop = await openTestShop([
    testTarget('erp', {
      call: async () => (erpFails ? giveUp('HTTP 422 UNKNOWN_SKU') : { kind: 'delivered' }),
    }),
    testTarget('mail', { after: ['erp'] }),
    testTarget('slow', { call: async () => tryAgain('HTTP 503') }),
  ])
})
afterEach(() => shop.close())

/** Four orders of all sorts: delivered as far as it goes, given up, relayed but not told, and not relayed. */
async function openDay() {
  const worker = shop.startWorker()
  const told = await shop.placeOrder()
  await shop.relay()
  await settled(told.orderId, { erp: 'delivered', mail: 'delivered', slow: 'retrying' })
  erpFails = true
  const dead = await shop.placeOrder()
  await shop.relay()
  await settled(dead.orderId, { erp: 'dead', mail: 'waiting', slow: 'retrying' })
  await worker.stop()
  const queued = await shop.placeOrder()
  await shop.relay()
  const waiting = await shop.placeOrder()
  return { told, dead, queued, waiting }
}

async function settled(orderId: string, states: Record<string, string>) {
  await eventually(async () => {
    expect(await shop.deliveries(orderId)).toEqual(states)
    return true
  })
}

/** Everything but what verifying and repairing write down. */
async function everything(): Promise<Record<string, unknown>> {
  const tables = ['orders', 'outbox', 'messages', 'deliveries', 'delivery_attempts', 'dead_letters']
  const found: Record<string, unknown> = {}
  for (const table of tables)
    found[table] = (
      await sql`select to_jsonb(t) as row from orderwheel.${sql.raw(table)} t order by to_jsonb(t)::text`.execute(
        shop.db,
      )
    ).rows
  found['jobs'] = (
    await sql`select name, id, state, retry_count from pgboss.job order by name, id`.execute(
      shop.db,
    )
  ).rows
  return found
}

async function repair(found: Verification): Promise<string[]> {
  const after = new Map([
    ['erp', []],
    ['mail', ['erp']],
    ['slow', []],
  ])
  const deps = { ...shop, who: 'eva', afterOf: (target: string) => after.get(target) }
  const came: string[] = []
  for (const one of found.findings) came.push((await repairFinding(deps, one)).kind)
  return came
}

async function audited(): Promise<string[]> {
  const rows = await shop.db
    .selectFrom('orderwheel.audit_log')
    .select('action')
    .where('who', '=', 'eva')
    .orderBy('id')
    .execute()
  return rows.map(({ action }) => action)
}

test('a shop in which everything is as it should be: 0 lost, in full and since the last time', async () => {
  await openDay()
  const before = await everything()

  const first = await verifyShop(shop.db)
  expect(first).toMatchObject({ lost: 0, stuck: 0, disorders: 0, findings: [], full: true })
  expect(first.checkedRows).toEqual({ orders: 4, messages: 3, deliveries: 9, jobs: 4 })
  const second = await verifyShop(shop.db)
  expect(second).toMatchObject({ lost: 0, findings: [], full: false })
  expect(await verifyShop(shop.db, { isFull: true })).toMatchObject({ lost: 0, findings: [] })
  expect(await everything()).toEqual(before)
})

type Case = {
  name: string
  found: string[]
  lost: number
  /** Breaks the shop by hand; answers the order that is named. */
  disturb: (db: Db, day: Awaited<ReturnType<typeof openDay>>) => Promise<string | null>
  repaired: string
  actions: string[]
  /** What is left after the repair. */
  left?: string[]
}

const cases: Case[] = [
  {
    name: 'a job that is gone',
    found: ['job-missing erp'],
    lost: 1,
    async disturb(db, { queued }) {
      await sql`delete from pgboss.job where name = 'erp' and id = ${queued.messageId}`.execute(db)
      return queued.orderId
    },
    repaired: 'mended',
    actions: ['delivery.job-recreated'],
  },
  {
    name: 'a job that was cancelled behind our back',
    found: ['job-missing slow'],
    lost: 1,
    async disturb(db, { told }) {
      await sql`
        update pgboss.job set state = 'cancelled' where name = 'slow' and id = ${told.messageId}`.execute(
        db,
      )
      return told.orderId
    },
    repaired: 'mended',
    actions: ['delivery.job-recreated'],
  },
  {
    name: 'a delivery that is gone',
    found: ['delivery-missing erp', 'job-without-delivery erp'],
    lost: 1,
    async disturb(db, { queued }) {
      await sql`
        delete from orderwheel.deliveries where message_id = ${queued.messageId} and target = 'erp'`.execute(
        db,
      )
      return queued.orderId
    },
    repaired: 'mended',
    actions: ['delivery.created-again'],
  },
  {
    name: 'a delivery that is gone with its job',
    found: ['delivery-missing erp', 'waiting-for-nothing mail'],
    lost: 1,
    async disturb(db, { queued }) {
      await sql`delete from pgboss.job where id = ${queued.messageId} and name = 'erp'`.execute(db)
      await sql`
        delete from orderwheel.deliveries where message_id = ${queued.messageId} and target = 'erp'`.execute(
        db,
      )
      await sql`
        update orderwheel.deliveries set created_at = now() - interval '10 minutes'
         where message_id = ${queued.messageId}`.execute(db)
      return queued.orderId
    },
    repaired: 'mended',
    actions: ['delivery.created-again'],
  },
  {
    name: 'a message that is gone with all that belongs to it',
    found: [
      'job-without-delivery erp',
      'job-without-delivery slow',
      'message-missing',
      'order-without-message',
    ],
    lost: 2,
    async disturb(db, { queued }) {
      await sql`
        insert into orderwheel.verify_pending (id, order_id)
        values (${queued.messageId}, ${queued.orderId}) on conflict do nothing`.execute(db)
      await sql`delete from orderwheel.messages where id = ${queued.messageId}`.execute(db)
      return queued.orderId
    },
    repaired: 'for-a-person',
    actions: ['job.deleted', 'job.deleted'],
    left: ['message-missing', 'order-without-message'],
  },
  {
    name: 'an order that nobody was ever told of',
    found: ['order-without-message'],
    lost: 1,
    async disturb(db, { waiting }) {
      await sql`delete from orderwheel.outbox where order_id = ${waiting.orderId}`.execute(db)
      return waiting.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['order-without-message'],
  },
  {
    name: 'an order of which only a later message is left',
    found: ['order-without-message'],
    lost: 1,
    async disturb(db, { waiting }) {
      await sql`
        update orderwheel.outbox set kind = 'order.cancelled' where order_id = ${waiting.orderId}`.execute(
        db,
      )
      return waiting.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['order-without-message'],
  },
  {
    name: 'a dead delivery whose dead letter is gone',
    found: ['letter-missing erp'],
    lost: 1,
    async disturb(db, { dead }) {
      await sql`delete from orderwheel.dead_letters`.execute(db)
      return dead.orderId
    },
    repaired: 'mended',
    actions: ['delivery.letter-recreated'],
  },
  {
    name: 'a delivery that says it was made, and no attempt was',
    found: ['attempt-missing erp'],
    lost: 1,
    async disturb(db, { told }) {
      await sql`
        delete from orderwheel.delivery_attempts where message_id = ${told.messageId} and target = 'erp'`.execute(
        db,
      )
      return told.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['attempt-missing erp'],
  },
  {
    name: 'a delivery that waits for nothing any more',
    found: ['waiting-for-nothing mail'],
    lost: 0,
    async disturb(db, { told }) {
      await sql`
        update orderwheel.deliveries set state = 'waiting', settled_at = null
         where message_id = ${told.messageId} and target = 'mail'`.execute(db)
      await sql`
        update orderwheel.deliveries set settled_at = now() - interval '10 minutes'
         where message_id = ${told.messageId} and target = 'erp'`.execute(db)
      return told.orderId
    },
    repaired: 'mended',
    actions: ['delivery.released'],
  },
  {
    name: 'a delivery that waits for one that does not know it',
    found: ['not-awaited mail'],
    lost: 0,
    async disturb(db, { dead }) {
      await sql`
        update orderwheel.deliveries set awaited = false
         where message_id = ${dead.messageId} and target = 'erp'`.execute(db)
      return dead.orderId
    },
    repaired: 'mended',
    actions: ['delivery.marked-awaited'],
  },
  {
    name: 'a job that has nothing to deliver',
    found: ['job-without-delivery erp'],
    lost: 0,
    async disturb(db, { queued }) {
      await sql`
        insert into pgboss.job (id, name, policy, singleton_key)
        values (${randomUUID()}, 'erp', 'exclusive', 'nobody')`.execute(db)
      return queued.orderId && null
    },
    repaired: 'mended',
    actions: ['job.deleted'],
  },
  {
    name: 'an open dead letter of a delivery that was made',
    found: ['letter-without-death erp'],
    lost: 0,
    async disturb(db, { told }) {
      await sql`
        insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts)
        values (${told.messageId}, 'erp', ${told.orderId}, 'HTTP 500', '[]')`.execute(db)
      return told.orderId
    },
    repaired: 'mended',
    actions: ['delivery.letter-closed'],
  },
  {
    name: 'a delivery that the message was not routed to',
    found: ['delivery-not-routed slow'],
    lost: 0,
    async disturb(db, { queued }) {
      await sql`
        update orderwheel.messages set targets = '{erp,mail}' where id = ${queued.messageId}`.execute(
        db,
      )
      return queued.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['delivery-not-routed slow'],
  },
  {
    name: 'a message that the relay refuses',
    found: ['message-refused'],
    lost: 0,
    async disturb(db, { waiting }) {
      await sql`
        update orderwheel.outbox set refusals = 1, refusal = 'unknown kind', try_after = now()
         where order_id = ${waiting.orderId}`.execute(db)
      return waiting.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['message-refused'],
  },
  {
    name: 'a payment of which nobody has known for long what became',
    found: ['payment-unknown'],
    lost: 0,
    async disturb(db, { waiting }) {
      await sql`delete from orderwheel.outbox where order_id = ${waiting.orderId}`.execute(db)
      await sql`
        insert into orderwheel.payments (order_id, external_id, provider, mode, token, begun_at)
        values (${waiting.orderId}, 'WEB-1', 'cards', 'capture', 'tok', now() - interval '11 minutes')`.execute(
        db,
      )
      return waiting.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['payment-unknown'],
  },
  {
    name: 'a message that nobody relays',
    found: ['message-late'],
    lost: 0,
    async disturb(db, { waiting }) {
      await sql`update orderwheel.messages set relayed_at = now() - interval '6 minutes'`.execute(
        db,
      )
      await sql`
        update orderwheel.outbox set created_at = now() - interval '6 minutes'
         where order_id = ${waiting.orderId}`.execute(db)
      return waiting.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['message-late'],
  },
  {
    name: 'a message that relays pass over',
    found: ['message-late'],
    lost: 0,
    async disturb(db, { waiting, told, queued }) {
      await sql`
        update orderwheel.messages set position = 1000, relayed_at = now() - interval '2 minutes'
         where id = ${queued.messageId}`.execute(db)
      await sql`
        update orderwheel.messages set relayed_at = now() where id = ${told.messageId}`.execute(db)
      await sql`
        update orderwheel.outbox set created_at = now() - interval '6 minutes'
         where order_id = ${waiting.orderId}`.execute(db)
      return waiting.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['message-late'],
  },
  {
    name: 'a job whose worker went silent long ago',
    found: ['job-silent erp'],
    lost: 0,
    async disturb(db, { queued }) {
      await sql`
        update pgboss.job set state = 'active', started_on = now() - interval '5 minutes',
               heartbeat_on = now() - interval '4 minutes'
         where name = 'erp' and id = ${queued.messageId}`.execute(db)
      return queued.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['job-silent erp'],
  },
  {
    name: 'a job that is passed over',
    found: ['job-overtaken erp'],
    lost: 0,
    async disturb(db, { queued, told }) {
      await sql`
        update pgboss.job set start_after = now() - interval '20 minutes', created_on = now() - interval '20 minutes'
         where name = 'erp' and id = ${queued.messageId}`.execute(db)
      // One that came 19 minutes later is being called.
      await sql`
        insert into pgboss.job (id, name, policy, singleton_key, state, created_on, started_on, heartbeat_on)
        values (${told.messageId}, 'erp', 'exclusive', 'x', 'active', now() - interval '1 minute', now(), now())`.execute(
        db,
      )
      await sql`
        update orderwheel.deliveries set state = 'active', settled_at = null
         where message_id = ${told.messageId} and target = 'erp'`.execute(db)
      return queued.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['job-overtaken erp'],
  },
  {
    name: 'a job that failed and is passed over',
    found: ['job-overtaken erp'],
    lost: 0,
    async disturb(db, { queued, told }) {
      await sql`
        update pgboss.job set state = 'retry', start_after = now() - interval '20 minutes', created_on = now() - interval '20 minutes'
         where name = 'erp' and id = ${queued.messageId}`.execute(db)
      // One that came 19 minutes later is being called.
      await sql`
        insert into pgboss.job (id, name, policy, singleton_key, state, created_on, started_on, heartbeat_on)
        values (${told.messageId}, 'erp', 'exclusive', 'x', 'active', now() - interval '1 minute', now(), now())`.execute(
        db,
      )
      await sql`
        update orderwheel.deliveries set state = 'active', settled_at = null
         where message_id = ${told.messageId} and target = 'erp'`.execute(db)
      return queued.orderId
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['job-overtaken erp'],
  },
  {
    name: 'a target that nobody calls',
    found: ['target-idle erp'],
    lost: 0,
    async disturb(db, { queued }) {
      await sql`
        update pgboss.job set start_after = now() - interval '20 minutes', created_on = now() - interval '20 minutes'
         where name = 'erp' and id = ${queued.messageId}`.execute(db)
      await sql`delete from orderwheel.target_counts`.execute(db)
      return null
    },
    repaired: 'for-a-person',
    actions: [],
    left: ['target-idle erp'],
  },
]

test('every kind of finding is made by hand in one of these tests', () => {
  const made = new Set(cases.flatMap(({ found }) => found.map((one) => one.split(' ')[0])))
  expect(Object.keys(findingKinds).filter((kind) => !made.has(kind))).toEqual([])
})

test('every kind of finding has a row that says what --repair does about it', () => {
  const page = readFileSync(new URL('../../docs/what-happens-when.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([a-z-]+)` +\| (lost|stuck|disorder) /gm)]
  expect(Object.fromEntries(rows.map(([, kind, of]) => [kind, of]))).toEqual(findingKinds)
})

test.each(cases)('$name is found, named and mended once', async (one) => {
  const day = await openDay()
  expect(await verifyShop(shop.db)).toMatchObject({ lost: 0, findings: [] })
  const named = await one.disturb(shop.db, day)
  const disturbed = await everything()

  const found = await verifyShop(shop.db, { isFull: true })
  expect(listFound(found)).toEqual(one.found)
  expect(found.lost).toBe(one.lost)
  expect(found.findings[0]?.orderId).toBe(named)
  expect(await everything()).toEqual(disturbed)

  // Two at once, each finding: one does it.
  const [first, second] = await Promise.all([repair(found), repair(found)])
  const expected = one.repaired === 'mended' ? ['gone', 'mended'] : ['for-a-person', 'for-a-person']
  expect(new Set([first[0], second[0]])).toEqual(new Set(expected))
  expect(await audited()).toEqual(one.actions)

  const after = await everything()
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual(one.left ?? [])
  await repair(found)
  expect(await everything()).toEqual(after)
  expect((await audited()).length).toBe(one.actions.length)
})

test('a message of an order that is older than what retention dropped is missed, one that went with it is not', async () => {
  const { told } = await openDay()
  const cancellation = await shop.addMessage(told.orderId, 'order.cancelled')
  await verifyShop(shop.db)
  await sql`
    update orderwheel.orders set received_at = now() - interval '40 days' where id = ${told.orderId}`.execute(
    shop.db,
  )
  await sql`insert into orderwheel.dropped_history (until) values (now() - interval '10 days')`.execute(
    shop.db,
  )
  await sql`
    insert into orderwheel.verify_pending (id, order_id) values (uuidv7(interval '-39 days'), ${told.orderId})`.execute(
    shop.db,
  )
  await sql`
    insert into orderwheel.verify_pending (id, order_id) values (${cancellation}, ${told.orderId}) on conflict do nothing`.execute(
    shop.db,
  )
  await sql`delete from orderwheel.outbox where id = ${cancellation}`.execute(shop.db)

  for (const isFull of [false, true])
    expect((await verifyShop(shop.db, { isFull })).findings).toMatchObject([
      { kind: 'message-missing', orderId: told.orderId, messageId: cancellation },
    ])
})

test('a message that waits for its turn behind a backlog is not late while the relay moves', async () => {
  const { waiting } = await openDay()
  await sql`
    update orderwheel.outbox set created_at = now() - interval '20 minutes'
     where order_id = ${waiting.orderId}`.execute(shop.db)
  await sql`
    update orderwheel.messages set relayed_at = now() - interval '2 minutes'`.execute(shop.db)
  expect(await verifyShop(shop.db)).toMatchObject({ stuck: 0, findings: [] })
})

test('a final delivery that somebody opens again is looked at again', async () => {
  const { told } = await openDay()
  await verifyShop(shop.db)
  await sql`delete from orderwheel.verify_pending where id = ${told.messageId}`.execute(shop.db)
  await sql`
    update orderwheel.verify_state set watermark = uuidv7(interval '-1 second')`.execute(shop.db)
  await sql`
    update orderwheel.deliveries set state = 'queued', settled_at = null
     where message_id = ${told.messageId} and target = 'erp'`.execute(shop.db)
  const found = await verifyShop(shop.db)
  expect(found.full).toBe(false)
  expect(listFound(found)).toEqual(['job-missing erp'])
})

test('what was marked as delivered by hand needs no attempt', async () => {
  const { dead } = await openDay()
  await decideDelivery(shop, {
    messageId: dead.messageId,
    target: 'erp',
    decision: 'mark-delivered',
    who: 'eva',
    reason: null,
  })
  expect(await verifyShop(shop.db, { isFull: true })).toMatchObject({ findings: [] })
})

/** An order without a message, which the next verification is the first to look at. */
async function placeSilently({ minutesAgo = 3 } = {}): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
    select uuidv7(-ago), 'SILENT', uuidv7(), 'silent', sha256('x'), ${exampleOrder('SILENT')}, now() - ago
      from make_interval(mins => ${minutesAgo}) ago
    returning id`.execute(shop.db)
  await sql`
    update orderwheel.verify_state set watermark = '00000000-0000-0000-0000-000000000001'`.execute(
    shop.db,
  )
  return rows[0]?.id ?? ''
}

test('an order that was never told of is placed again, once', async () => {
  await openDay()
  await verifyShop(shop.db)
  const orderId = await placeSilently()

  const found = await verifyShop(shop.db)
  expect(found.findings).toMatchObject([{ kind: 'order-without-message', order: 'SILENT' }])
  expect((await Promise.all([repair(found), repair(found)])).flat().sort()).toEqual([
    'gone',
    'mended',
  ])
  expect(await verifyShop(shop.db, { isFull: true })).toMatchObject({ lost: 0, findings: [] })
  expect(await shop.relay()).toBe(2)
  expect(await shop.deliveries(orderId)).toMatchObject({ erp: 'queued' })
})

test('an order that is first looked at a while after it came is left to a person: it may have been told', async () => {
  await verifyShop(shop.db)
  await placeSilently({ minutesAgo: 16 })
  expect(await repair(await verifyShop(shop.db))).toEqual(['for-a-person'])
})

test('an order of a person who was forgotten is told to nobody', async () => {
  await verifyShop(shop.db)
  const orderId = await placeSilently()
  const found = await verifyShop(shop.db)
  await sql`update orderwheel.orders set forgotten_at = now() where id = ${orderId}`.execute(
    shop.db,
  )
  expect(await repair(found)).toEqual(['for-a-person'])
})

test('an order that was cancelled before it was told of is not placed behind that, but left to a person', async () => {
  await verifyShop(shop.db)
  const orderId = await placeSilently()
  const found = await verifyShop(shop.db)
  await shop.addMessage(orderId, 'order.cancelled')
  expect(await repair(found)).toEqual(['for-a-person'])
})

test('a delivery that is written again without its old job counts as called once', async () => {
  const day = await openDay()
  const ofErp = sql`name = 'erp' and id = ${day.queued.messageId}`
  await sql`delete from pgboss.job where ${ofErp}`.execute(shop.db)
  await sql`delete from orderwheel.deliveries where target = 'erp' and message_id = ${day.queued.messageId}`.execute(
    shop.db,
  )
  expect(await repair(await verifyShop(shop.db))).toContain('mended')
  const { rows } = await sql`
    select ask_first from orderwheel.deliveries where target = 'erp' and message_id = ${day.queued.messageId}`.execute(
    shop.db,
  )
  expect(rows).toEqual([{ ask_first: true }])
  erpFails = false
  shop.startWorker()
  await settled(day.queued.orderId, { erp: 'delivered', mail: 'delivered', slow: 'retrying' })
  const attempts = (await shop.attempts(day.queued.orderId)).filter(
    ({ target }) => target === 'erp',
  )
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['abandoned', 'delivered'])
})

test('a delivery that is written again for a job that took the place of another is asked about first', async () => {
  const day = await openDay()
  await sql`update pgboss.job set retry_count = 1 where name = 'erp' and id = ${day.queued.messageId}`.execute(
    shop.db,
  )
  await sql`delete from orderwheel.deliveries where target = 'erp' and message_id = ${day.queued.messageId}`.execute(
    shop.db,
  )
  await repair(await verifyShop(shop.db))
  const { rows } = await sql`
    select ask_first from orderwheel.deliveries where target = 'erp' and message_id = ${day.queued.messageId}`.execute(
    shop.db,
  )
  expect(rows).toEqual([{ ask_first: true }])
})

test('a job that is recreated keeps out the worker that had the old one', async () => {
  const day = await openDay()
  await sql`delete from pgboss.job where name = 'erp' and id = ${day.queued.messageId}`.execute(
    shop.db,
  )
  await repair(await verifyShop(shop.db))
  erpFails = false
  shop.startWorker()
  await settled(day.queued.orderId, { erp: 'delivered', mail: 'delivered', slow: 'retrying' })
  const attempts = (await shop.attempts(day.queued.orderId)).filter(
    ({ target }) => target === 'erp',
  )
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['abandoned', 'delivered'])
})
