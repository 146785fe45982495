import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { relayBatch } from '#relay/relay-batch.ts'
import { drainOutbox, startRelay } from '#relay/run-relay.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

async function openShop(routes?: Parameters<typeof openTestShop>[1]) {
  shop = await openTestShop(
    [
      testTarget('erp'),
      testTarget('confirmation-email', { after: ['erp'] }),
      testTarget('analytics'),
    ],
    routes,
  )
}

test('an order that was rolled back tells nobody', async () => {
  await openShop()
  const rollback = shop.db.transaction().execute(async (tx) => {
    await sql`with o as (
        insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
        values ('ROLLED-BACK', uuidv7(), 'k', sha256('x'), '{}') returning id)
      insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from o`.execute(tx)
    throw new Error('the checkout failed')
  })
  await expect(rollback).rejects.toThrow('the checkout failed')
  expect(await shop.relay()).toBe(0)
  expect(await count('orderwheel.messages')).toBe(0)
  expect(await count('pgboss.job')).toBe(0)
})

test('each routed target gets a delivery, and a job with the message’s id and a readable key', async () => {
  await openShop()
  const { orderId, messageId } = await shop.placeOrder()
  expect(await shop.relay()).toBe(1)

  expect(await shop.deliveries(orderId)).toEqual({
    erp: 'queued',
    'confirmation-email': 'waiting',
    analytics: 'queued',
  })
  const jobs =
    await sql`select name, id, singleton_key, data from pgboss.job order by name`.execute(shop.db)
  const job = { id: messageId, singleton_key: `order.placed:${orderId}`, data: { orderId } }
  expect(jobs.rows).toEqual([
    { name: 'analytics', ...job },
    { name: 'erp', ...job },
  ])
  expect(await count('orderwheel.outbox')).toBe(0)
  expect(await count('orderwheel.messages')).toBe(1)
})

test('a message says where it was routed, whatever the routes are later', async () => {
  await openShop({ 'order.placed': ['erp', 'analytics'] })
  const { messageId, orderId } = await shop.placeOrder()
  const nowhere = await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()

  const rows = await shop.db.selectFrom('orderwheel.messages').select(['id', 'targets']).execute()
  expect(new Map(rows.map(({ id, targets }) => [id, targets]))).toEqual(
    new Map([
      [messageId, ['erp', 'analytics']],
      [nowhere, []],
    ]),
  )
})

test('a message nobody is routed for is kept as history', async () => {
  await openShop({ 'order.placed': [] })
  await shop.placeOrder()
  expect(await shop.relay()).toBe(1)
  expect(await count('orderwheel.messages')).toBe(1)
  expect(await count('orderwheel.deliveries')).toBe(0)
})

test('a target is not waited for when it is not told of that kind of message', async () => {
  await openShop({ 'order.placed': ['confirmation-email'] })
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  expect(await shop.deliveries(orderId)).toEqual({ 'confirmation-email': 'queued' })
})

test('a message of an unknown kind is kept with the reason and holds up nobody', async () => {
  await openShop()
  const before = await shop.placeOrder()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const strange = await shop.addMessage(orderId, 'order.teleported')
  const after = await shop.placeOrder()
  await shop.relay()

  expect((await shop.deliveries(before.orderId)).erp).toBe('queued')
  expect((await shop.deliveries(after.orderId)).erp).toBe('queued')
  const [refused] = await refusals()
  expect(refused).toMatchObject({ id: strange, refusals: 1 })
  expect(refused?.refusal).toContain('unknown kind order.teleported')
  expect(refused?.try_after?.getTime()).toBeGreaterThan(Date.now())
})

test('a missing queue refuses its messages, which go on their way once it exists', async () => {
  await openShop()
  const { name, ...lost } = testTarget('new-crm')
  shop.relayOptions.targets.push({ ...lost, name })
  shop.relayOptions.routes = { 'order.placed': ['erp', 'new-crm'], 'order.cancelled': ['erp'] }
  const { orderId } = await shop.placeOrder()
  const other = await shop.placeOrder()
  await shop.db.deleteFrom('orderwheel.outbox').where('order_id', '=', other.orderId).execute()
  await shop.addMessage(other.orderId, 'order.cancelled')
  await shop.relay()
  expect((await refusals())[0]?.refusal).toContain('new-crm does not exist')
  expect(await shop.deliveries(orderId)).toEqual({})
  expect(await shop.deliveries(other.orderId)).toEqual({ erp: 'queued' })

  await shop.boss.createQueue('new-crm', { policy: 'exclusive', partition: true })
  await sql`update orderwheel.outbox set try_after = now()`.execute(shop.db)
  await shop.relay()
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'queued', 'new-crm': 'queued' })
})

test('a job that pg-boss skips silently is noticed: the message is refused, nothing is half done', async () => {
  await openShop()
  const { orderId, messageId } = await shop.placeOrder()
  await shop.boss.insert('analytics', [{ id: messageId, data: {} }])
  await shop.relay()
  expect((await refusals())[0]?.refusal).toContain('Queue analytics already holds a job')
  expect(await shop.deliveries(orderId)).toEqual({})
  expect(await count('orderwheel.messages')).toBe(0)
  const erp = await sql`select from pgboss.job where name = 'erp'`.execute(shop.db)
  expect(erp.rows).toEqual([])
})

test('several relays at once relay each message exactly once', async () => {
  await openShop()
  const orders = []
  for (let i = 0; i < 300; i += 1) orders.push(await shop.placeOrder())
  const signal = AbortSignal.timeout(30_000)
  const small = () => relayUntilEmpty(7)
  await Promise.all([small(), small(), drainOutbox(shop.relayOptions, signal)])
  expect(await count('orderwheel.messages')).toBe(300)
  expect(await count('orderwheel.deliveries')).toBe(900)
  expect(await count('pgboss.job')).toBe(600)
})

test('a relay catches up in full batches without waiting in between', async () => {
  await openShop({ 'order.placed': ['erp'] })
  await fillOutbox(1_200)
  const relay = startRelay({ ...shop.relayOptions, pollSeconds: 3_600 })
  await eventually(async () => (await count('orderwheel.deliveries')) === 1_200)
  await relay.stop()
})

test('a message that cannot be relayed is refused once, and holds up none of a backlog around it', async () => {
  await openShop({ 'order.placed': ['erp'] })
  await fillOutbox(510)
  await sql`update orderwheel.outbox set kind = 'order.teleported'
             where position = (select min(position) + 505 from orderwheel.outbox)`.execute(shop.db)
  expect(await shop.relay()).toBe(510)
  expect(await count('orderwheel.deliveries')).toBe(509)
  expect(await refusals()).toMatchObject([{ refusals: 1 }])
})

test('a later message of the same order waits until the earlier one was told', async () => {
  await openShop({
    'order.placed': ['erp', 'analytics'],
    'order.cancelled': ['erp', 'analytics'],
  })
  const { orderId } = await shop.placeOrder()
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()
  const states = await sql<{ kind: string; target: string; state: string }>`
    select m.kind, d.target, d.state from orderwheel.deliveries d
      join orderwheel.messages m on m.id = d.message_id
     where d.target = 'erp' order by m.id`.execute(shop.db)
  expect(states.rows).toEqual([
    { kind: 'order.placed', target: 'erp', state: 'queued' },
    { kind: 'order.cancelled', target: 'erp', state: 'waiting' },
  ])
})

test('a relay does not overtake another that is still busy with an earlier message of the order', async () => {
  await openShop({ 'order.placed': ['erp'], 'order.cancelled': ['erp'] })
  const { orderId, messageId } = await shop.placeOrder()
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.db.transaction().execute(async (tx) => {
    await sql`select from orderwheel.outbox where id = ${messageId} for update`.execute(tx)
    expect(await relayBatch(shop.relayOptions, { limit: 10 })).toMatchObject({ messages: 0 })
  })
  expect(await shop.relay()).toBe(2)
})

async function relayUntilEmpty(limit: number): Promise<void> {
  while ((await relayBatch(shop.relayOptions, { limit })).messages > 0);
}

const refusals = () =>
  shop.db
    .selectFrom('orderwheel.outbox')
    .selectAll()
    .where('refusals', '>', 0)
    .orderBy('id')
    .execute()

async function count(table: string): Promise<number> {
  const { rows } = await sql<{
    n: number
  }>`select count(*)::int as n from ${sql.table(table)}`.execute(shop.db)
  return rows[0]?.n ?? 0
}

async function fillOutbox(orders: number) {
  await sql`
    with o as (
      insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
      select 'WEB-' || n, uuidv7(), 'k', sha256('x'), '{}' from generate_series(1, ${orders}::int) n
      returning id)
    insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from o`.execute(
    shop.db,
  )
}
