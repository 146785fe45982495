import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { readOrder } from '#orders/read-order.ts'
import { giveUp } from '#targets/outcome.ts'
import { addMonths } from '#upkeep/add-months.ts'
import { deleteOldOrders } from '#upkeep/delete-old-orders.ts'
import { dropMonths } from '#upkeep/drop-months.ts'
import { forgetOldReplays } from '#upkeep/forget-old-rows.ts'
import { historyTables, monthName, monthStart } from '#upkeep/history-tables.ts'
import { readPartitions } from '#upkeep/read-partitions.ts'
import { startUpkeep } from '#upkeep/run-upkeep.ts'

import { eventually } from '../support/eventually.ts'
import { beginMonthsAgo, placeOrderMonthsAgo } from '../support/past-months.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
const refused = new Set<string>()

beforeEach(async () => {
  refused.clear()
  const erp = testTarget('erp', {
    call: async ({ order }) => (refused.has(order.id) ? giveUp('no') : { kind: 'delivered' }),
  })
  shop = await openTestShop([erp])
})

afterEach(() => shop.close())

test('the partitions of the next three months are there before anybody needs them', async () => {
  await Promise.all([addMonths(shop.db), addMonths(shop.db)])

  const partitions = await readPartitions(shop.db)
  const last = monthStart(new Date(), 4)
  for (const table of historyTables)
    expect(partitions.filter((one) => one.table === table).at(-1)?.until).toEqual(last)
  expect(await addMonths(shop.db)).toEqual([])
})

test('a new partition is stored as the newest was, and has every index of the whole', async () => {
  await beginMonthsAgo(shop.db, 1)

  const { rows } = await sql<{ options: string[]; indexes: number; commented: boolean }>`
    select c.reloptions as options, count(i.indexrelid)::int as indexes,
           obj_description(c.oid) is not null as commented
      from pg_class c join pg_index i on i.indrelid = c.oid
     where c.oid = ${`orderwheel.deliveries_${monthName(monthStart(new Date(), 2))}`}::regclass
     group by c.oid`.execute(shop.db)
  const whole = await sql<{ indexes: number }>`
    select count(*)::int as indexes from pg_index where indrelid = 'orderwheel.deliveries'::regclass`.execute(
    shop.db,
  )
  expect(rows).toEqual([
    { options: ['fillfactor=77'], indexes: whole.rows[0]?.indexes, commented: true },
  ])
})

test('history is dropped a month at a time once it is older than the retention, and its orders stay completed', async () => {
  await beginMonthsAgo(shop.db, 5)
  const old = await placeOrderMonthsAgo(shop.db, 4)
  const kept = await placeOrderMonthsAgo(shop.db, 2)
  await deliverAll()

  const dropped = await dropMonths(shop.db, 3)

  // The one before all, and the two that ended three months before this one began.
  expect(dropped).toEqual(
    [-5, -4, -3].map((months) => ({ kind: 'dropped', until: monthStart(new Date(), months) })),
  )
  expect(await readOrder(shop.db, { id: old.orderId })).toMatchObject({
    state: 'completed',
    messages: [],
    deliveries: [],
  })
  expect(await readOrder(shop.db, { id: kept.orderId })).toMatchObject({
    state: 'completed',
    deliveries: [{ target: 'erp', state: 'delivered' }],
  })
  expect(await dropMonths(shop.db, 3)).toEqual([])
})

test.each([
  ['has a dead letter', async (orderId: string) => void refused.add(orderId), 'dead'],
  ['was not delivered yet', pauseErp, 'queued'],
])('a month in which an order %s stays until somebody has decided', async (_what, spoil, state) => {
  await beginMonthsAgo(shop.db, 5)
  const order = await placeOrderMonthsAgo(shop.db, 4)
  await spoil(order.orderId)
  await deliverAll()

  const dropped = await dropMonths(shop.db, 3)

  expect(dropped.at(-1)).toEqual({
    kind: 'kept',
    until: monthStart(new Date(), -3),
    reason: `a delivery of that time is ${state}`,
  })
  expect(await shop.deliveries(order.orderId)).toEqual({ erp: state })
})

test('a month whose table somebody is reading is dropped when they are done', async () => {
  await beginMonthsAgo(shop.db, 5)
  const reading = await shop.db.startTransaction().execute()
  await sql`select from orderwheel.deliveries`.execute(reading)
  const dropping = dropMonths(shop.db, 3)
  // Those who come later are not kept waiting by it for long: this one would fail after its own patience.
  await shop.db.transaction().execute(async (tx) => {
    await sql`set local lock_timeout = '5s'`.execute(tx)
    await sql`select from orderwheel.deliveries`.execute(tx)
  })
  await reading.rollback().execute()

  expect(await dropping).toHaveLength(3)
})

test('old orders go with all that happened to them, but for those that are not done or are held', async () => {
  await beginMonthsAgo(shop.db, 5)
  const done = await placeOrderMonthsAgo(shop.db, 4)
  const dead = await placeOrderMonthsAgo(shop.db, 4)
  const held = await placeOrderMonthsAgo(shop.db, 4)
  const young = await placeOrderMonthsAgo(shop.db, 1)
  refused.add(dead.orderId).add(held.orderId)
  await deliverAll()
  const unrelayed = await placeOrderMonthsAgo(shop.db, 4)
  await sql`
    update orderwheel.dead_letters
       set resolution = 'discarded', resolved_at = now(), held_at = now(), held_by = 'eva', hold_reason = 'court'
     where order_id = ${held.orderId}`.execute(shop.db)
  await sql`update orderwheel.deliveries set state = 'skipped' where order_id = ${held.orderId}`.execute(
    shop.db,
  )

  expect(await deleteOldOrders(shop.db, { days: 60, signal: new AbortController().signal })).toBe(1)

  expect(await ordersLeft()).toEqual(
    [dead.orderId, held.orderId, young.orderId, unrelayed.orderId].sort(),
  )
  const { rows } = await sql<{ left: number }>`
    select (select count(*) from orderwheel.messages where order_id = ${done.orderId})
         + (select count(*) from orderwheel.deliveries where order_id = ${done.orderId})
         + (select count(*) from orderwheel.delivery_attempts where message_id = ${done.messageId}) as left`.execute(
    shop.db,
  )
  expect(Number(rows[0]?.left)).toBe(0)
})

test('orders that stay do not keep those behind them', async () => {
  await sql`
    insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document)
    select uuidv7('-90 days'), 'WEB-' || n, uuidv7(), 'WEB-' || n, sha256(''), '{}'
      from generate_series(1, 1200) n`.execute(shop.db)
  await sql`
    insert into orderwheel.outbox (order_id, kind)
    select id, 'order.placed' from orderwheel.orders order by id limit 700`.execute(shop.db)

  expect(await deleteOldOrders(shop.db, { days: 60, signal: new AbortController().signal })).toBe(
    500,
  )
})

test('a message whose month has no partition is refused with a reason, and the others go on', async () => {
  const { orderId } = await placeOrderMonthsAgo(shop.db, 0)
  await sql`
    insert into orderwheel.outbox (id, order_id, kind)
    values (uuidv7('10 years'), ${orderId}, 'order.placed')`.execute(shop.db)

  await shop.relay()

  const { rows } = await sql<{ refusal: string }>`select refusal from orderwheel.outbox`.execute(
    shop.db,
  )
  expect(rows).toEqual([{ refusal: expect.stringContaining('no partition of relation') }])
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'queued' })
})

test('a message that is older than its order is refused, since nobody would find it', async () => {
  const { orderId } = await placeOrderMonthsAgo(shop.db, 0)
  await sql`
    insert into orderwheel.outbox (id, order_id, kind)
    values (uuidv7('-2 days'), ${orderId}, 'order.placed')`.execute(shop.db)

  await shop.relay()

  const { rows } = await sql<{ refusal: string }>`select refusal from orderwheel.outbox`.execute(
    shop.db,
  )
  expect(rows).toEqual([{ refusal: expect.stringContaining('more than a day before its order') }])
})

test('an application that makes ids of another kind is told at once', async () => {
  const { orderId } = await placeOrderMonthsAgo(shop.db, 0)

  await expect(
    sql`
      insert into orderwheel.outbox (id, order_id, kind)
      values (gen_random_uuid(), ${orderId}, 'order.placed')`.execute(shop.db),
  ).rejects.toThrow('outbox_id_is_uuidv7')
})

test('a month whose message still waits in the outbox stays, or nobody could be told of it any more', async () => {
  await beginMonthsAgo(shop.db, 5)
  await placeOrderMonthsAgo(shop.db, 4)

  expect((await dropMonths(shop.db, 3)).at(-1)).toEqual({
    kind: 'kept',
    until: monthStart(new Date(), -3),
    reason: 'a message of that time, or about an order of it, is in the outbox',
  })
  await deliverAll()
  expect(await dropMonths(shop.db, 3)).toHaveLength(1)
})

test.each([
  {
    what: 'a message with an id of then is relayed: what is told of it is open',
    before: async () => '',
    meanwhile: async () => {
      await placeOrderMonthsAgo(shop.db, 4)
      await shop.relay()
    },
    reason: /^a delivery of that time is open again/,
  },
  {
    what: 'what is told of such a one dies',
    before: async () => '',
    meanwhile: async () => {
      refused.add((await placeOrderMonthsAgo(shop.db, 4)).orderId)
      await deliverAll()
    },
    reason: /^a delivery of that time is open again/,
  },
  {
    what: 'a letter that was closed is held',
    before: async () => {
      const { orderId } = await placeOrderMonthsAgo(shop.db, 4)
      refused.add(orderId)
      await deliverAll()
      await sql`update orderwheel.deliveries set state = 'skipped'`.execute(shop.db)
      await sql`update orderwheel.dead_letters set resolution = 'discarded', resolved_at = now(), resolved_by = 'eva'`.execute(
        shop.db,
      )
      return orderId
    },
    meanwhile: () =>
      sql`update orderwheel.dead_letters set held_at = now(), held_by = 'eva', hold_reason = 'court'`.execute(
        shop.db,
      ),
    reason: /or its letter held$/,
  },
  {
    what: 'a later message of its order is relayed',
    before: async () => {
      const { orderId } = await placeOrderMonthsAgo(shop.db, 4)
      await deliverAll()
      return orderId
    },
    meanwhile: async (orderId: string) => {
      refused.add(orderId)
      await shop.addMessage(orderId, 'order.placed')
      await shop.relay()
    },
    reason: /^order .* of that time is being told of/,
  },
])('a month stays when it waits for its locks and $what', async ({ before, meanwhile, reason }) => {
  await beginMonthsAgo(shop.db, 3)
  const orderId = await before()
  const reading = await shop.db.startTransaction().execute()
  await sql`select from orderwheel.deliveries`.execute(reading)
  const dropping = dropMonths(shop.db, 3)
  await eventually(async () => (await waitingForLocks()) > 0)
  await meanwhile(orderId)
  await reading.rollback().execute()

  expect((await dropping).at(-1)).toMatchObject({
    kind: 'kept',
    reason: expect.stringMatching(reason),
  })
  const { rows } = await sql`select from orderwheel.deliveries`.execute(shop.db)
  expect(rows).not.toEqual([])
})

async function waitingForLocks(): Promise<number> {
  const { rows } = await sql`select from pg_locks where not granted`.execute(shop.db)
  return rows.length
}

test('a month stays until what happened later to its orders is told, which follows from what they were told before', async () => {
  await beginMonthsAgo(shop.db, 5)
  const { orderId } = await placeOrderMonthsAgo(shop.db, 4)
  await deliverAll()
  refused.add(orderId)
  await shop.addMessage(orderId, 'order.placed')
  const why = async () => (await dropMonths(shop.db, 3)).at(-1)

  expect(await why()).toMatchObject({
    kind: 'kept',
    reason: expect.stringMatching(/in the outbox$/),
  })
  await shop.relay()
  expect(await why()).toMatchObject({ kind: 'kept', reason: expect.stringContaining(orderId) })
  await deliverAll()
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'dead' })
  expect(await why()).toMatchObject({ kind: 'kept', reason: expect.stringContaining(orderId) })
  const die = sql`update orderwheel.deliveries set state = 'dead' where state = 'uncertain'`
  await sql`update orderwheel.deliveries set state = 'uncertain' where state = 'dead'`.execute(
    shop.db,
  )
  await sql`update orderwheel.dead_letters set resolution = 'discarded', resolved_at = now(), resolved_by = 'eva'`.execute(
    shop.db,
  )
  expect(await why()).toMatchObject({ kind: 'kept', reason: expect.stringContaining(orderId) })
  await die.execute(shop.db)
  expect(await why()).toMatchObject({ kind: 'dropped' })
})

test('what was dead is gone with its order, also when its month went first', async () => {
  await beginMonthsAgo(shop.db, 5)
  const { orderId } = await placeOrderMonthsAgo(shop.db, 4)
  refused.add(orderId)
  await deliverAll()
  await skip(orderId)

  expect((await dropMonths(shop.db, 3)).at(-1)?.kind).toBe('dropped')
  expect(await deleteOldOrders(shop.db, { days: 60, signal: new AbortController().signal })).toBe(1)

  const { rows } = await sql`select from orderwheel.dead_letters`.execute(shop.db)
  expect(rows).toEqual([])
})

test('nobody deletes an order whose dead letter is held, by whatever way', async () => {
  const { orderId } = await shop.placeOrder()
  refused.add(orderId)
  await deliverAll()
  await skip(orderId)
  await sql`
    update orderwheel.dead_letters set held_at = now(), held_by = 'eva', hold_reason = 'court'`.execute(
    shop.db,
  )

  await expect(
    sql`delete from orderwheel.orders where id = ${orderId}`.execute(shop.db),
  ).rejects.toThrow(/is held since .*: court/)
  expect(await ordersLeft()).toEqual([orderId])
})

test('replays that ended long ago are forgotten with their lists, others stay', async () => {
  await sql`
    insert into orderwheel.replays (filter, requested_by, state, finished_at)
    values ('{}', 'eva', 'finished', now() - interval '91 days'), ('{}', 'eva', 'finished', now() - interval '89 days'),
           ('{}', 'eva', 'running', null)`.execute(shop.db)
  await sql`
    insert into orderwheel.replay_items (replay_id, position, letter_id)
    select id, n, uuidv7() from orderwheel.replays, generate_series(1, 12000) n`.execute(shop.db)

  await forgetOldReplays(shop.db, 90)

  const { rows } = await sql<{ replays: number; items: number }>`
    select (select count(*) from orderwheel.replays)::int as replays,
           (select count(*) from orderwheel.replay_items)::int as items`.execute(shop.db)
  expect(rows).toEqual([{ replays: 2, items: 24_000 }])
})

test('upkeep that fails at one thing does the others', async () => {
  const lines: unknown[] = []
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) })
  await sql`drop table orderwheel.messages cascade`.execute(shop.db)
  await sql`
    insert into orderwheel.target_changes (target, at, change, who)
    values ('erp', now() - interval '91 days', 'paused', 'eva')`.execute(shop.db)
  const retention = { ordersDays: null, historyMonths: null, auditDays: null, replaysDays: null }

  const upkeep = startUpkeep({ db: shop.db, log, retention: { ...retention, changesDays: 90 } })

  await eventually(async () => {
    const { rows } = await sql`select from orderwheel.target_changes`.execute(shop.db)
    return rows.length === 0
  })
  await upkeep.stop()
  expect(lines).toMatchObject([{ msg: 'upkeep failed, trying again' }])
})

async function deliverAll() {
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(30_000))
  await worker.stop()
}

async function pauseErp() {
  await sql`update orderwheel.targets set paused_at = now(), paused_by = 'eva', pause_reason = 'x'`.execute(
    shop.db,
  )
}

async function ordersLeft(): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select id from orderwheel.orders`.execute(shop.db)
  return rows.map(({ id }) => id).sort()
}

/** As an operator who decided: not told, and nothing waits for it. */
async function skip(orderId: string) {
  await sql`
    update orderwheel.dead_letters set resolution = 'discarded', resolved_at = now()
     where order_id = ${orderId}`.execute(shop.db)
  await sql`update orderwheel.deliveries set state = 'skipped' where order_id = ${orderId}`.execute(
    shop.db,
  )
}
