import { hash, randomUUID } from 'node:crypto'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { isDatabaseUnavailable } from '#database/transient-error.ts'
import type { NewOrder } from '#orders/insert-orders.ts'
import { createOrderWriter, type OrderWriterOptions } from '#orders/place-order.ts'

import { eventually } from '../support/eventually.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let changes: number
beforeEach(async () => {
  database = await testDatabase()
  changes = 0
})
afterEach(() => database.close())

function openWriter(options: Partial<OrderWriterOptions> = {}) {
  const outboxChanged = () => {
    changes += 1
  }
  return createOrderWriter({ pool: database.pool, outboxChanged, ...options })
}

function newOrder(more: Partial<NewOrder> = {}): NewOrder {
  const externalId = `WEB-${randomUUID()}`
  return {
    apiKeyId: '00000000-0000-0000-0000-000000000001',
    idempotencyKey: randomUUID(),
    fingerprint: hash('sha256', externalId, 'hex'),
    externalId,
    document: '{}',
    ...more,
  }
}

type StoredOrder = { told: string; batch: string }

async function storedOrders(): Promise<StoredOrder[]> {
  const { rows } = await sql<StoredOrder>`
    select b.kind as told, o.xmin::text as batch
      from orderwheel.orders o left join orderwheel.outbox b on b.order_id = o.id`.execute(
    database.db,
  )
  return rows
}

/** While the table is locked, whatever is being written waits. */
async function withOrdersLocked(work: () => Promise<void>): Promise<void> {
  const client = await database.pool.connect()
  await client.query('begin; lock table orderwheel.orders in exclusive mode')
  try {
    await work()
  } finally {
    await client.query('rollback')
    client.release()
  }
}

/** While an uncommitted order of this external id is in another session's hands. */
async function withOrderHeld(externalId: string, work: () => Promise<void>): Promise<void> {
  const client = await database.pool.connect()
  await client.query('begin')
  await client.query(
    `insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
     values ($1, gen_random_uuid(), 'held', sha256('held'), '{}')`,
    [externalId],
  )
  try {
    await work()
  } finally {
    await client.query('rollback')
    client.release()
  }
}

async function waitingStatements(): Promise<number> {
  const { rows } = await database.pool.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length
}

test('orders that arrive during a statement share the next one', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  const placed: Promise<unknown>[] = []
  await withOrdersLocked(async () => {
    placed.push(writer.place(newOrder()))
    await eventually(waitingStatements)
    for (let n = 0; n < 20; n += 1) placed.push(writer.place(newOrder()))
  })
  await Promise.all(placed)
  const rows = await storedOrders()
  expect(rows).toHaveLength(21)
  expect(rows.every((row) => row.told === 'order.placed')).toBe(true)
  expect(new Set(rows.map((row) => row.batch)).size).toBe(2)
  expect(changes).toBe(2)
})

test('a batch is never larger than its limit', async () => {
  const writer = openWriter({ maxInFlight: 1, maxBatch: 8 })
  await Promise.all(Array.from({ length: 33 }, () => writer.place(newOrder())))
  const batches = Map.groupBy(await storedOrders(), (row) => row.batch)
  expect(Math.max(...[...batches.values()].map((rows) => rows.length))).toBe(8)
})

test('one order the database refuses harms no other', async () => {
  await database.pool.query(
    `alter table orderwheel.orders add check (not document ? 'poison'), add check (external_id <> '')`,
  )
  const writer = openWriter({ maxInFlight: 1 })
  const orders = Array.from({ length: 12 }, (_, n) =>
    newOrder(n === 5 ? { document: '{"poison": true}' } : {}),
  )
  const settled = await Promise.allSettled(orders.map((order) => writer.place(order)))
  const refused = settled.flatMap((one, index) => (one.status === 'rejected' ? [index] : []))
  expect(refused).toEqual([5])
  expect(await storedOrders()).toHaveLength(11)
})

test('an order somebody else is writing harms no other, and its sender is told', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  await withOrderHeld('HELD', async () => {
    // The first goes at once, the ten behind it share a statement.
    const answers = Array.from({ length: 11 }, (_, n) =>
      writer.place(newOrder(n % 5 === 1 ? { externalId: 'HELD' } : {})),
    )
    const kinds = (await Promise.all(answers)).map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'in-progress')).toHaveLength(2)
    expect(kinds.filter((kind) => kind === 'placed')).toHaveLength(9)
    expect(await waitingStatements()).toBe(0)
  })
  expect(await writer.place(newOrder({ externalId: 'HELD' }))).toMatchObject({ kind: 'placed' })
  await writer.close()
})

test('repeats of an order somebody else is writing stop no further batch', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  const held = newOrder({ externalId: 'HELD' })
  await withOrderHeld('HELD', async () => {
    expect(await writer.place(held)).toEqual({ kind: 'in-progress' })
    let statements = 0
    const count = () => {
      statements += 1
    }
    database.pool.on('acquire', count)
    const [repeat, other] = await Promise.all([writer.place(held), writer.place(newOrder())])
    database.pool.off('acquire', count)
    expect([repeat.kind, other.kind]).toEqual(['in-progress', 'placed'])
    // With the repeat in a shared statement first, there would have been three.
    expect(statements).toBe(2)
  })
})

test('closing writes the orders that were put aside, too', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  await withOrderHeld('HELD', async () => {
    const held = writer.place(newOrder({ externalId: 'HELD' }))
    await writer.close()
    expect(await Promise.race([held, Promise.resolve('open')])).toEqual({ kind: 'in-progress' })
  })
})

test('a database that does not answer is not waited for', async () => {
  const writer = openWriter({ answerWithinMilliseconds: 100 })
  const order = newOrder()
  await withOrdersLocked(async () => {
    const refused = await writer.place(order).catch((error: unknown) => error)
    expect(isDatabaseUnavailable(refused)).toBe(true)
  })
  // Whether it was stored is unknown: the server may have written it since.
  const patient = openWriter()
  expect((await patient.place(order)).kind).toMatch(/^(placed|replayed)$/)
  expect(await storedOrders()).toHaveLength(1)
})

test('in one batch, each of several colliding orders gets its own answer', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  const known = newOrder()
  const knownId = await writer.place(known)
  const fresh = newOrder()
  const answers: Promise<{ kind: string }>[] = []
  await withOrdersLocked(async () => {
    answers.push(writer.place(newOrder()))
    await eventually(waitingStatements)
    answers.push(
      writer.place(fresh),
      writer.place(fresh),
      writer.place({ ...fresh, fingerprint: 'cd'.repeat(32) }),
      writer.place({ ...fresh, idempotencyKey: 'another' }),
      writer.place(known),
      writer.place({ ...known, idempotencyKey: 'yet another' }),
      writer.place({ ...newOrder(), idempotencyKey: known.idempotencyKey }),
    )
  })
  const kinds = (await Promise.all(answers)).map((answer) => answer.kind)
  expect(kinds).toEqual([
    'placed',
    'placed',
    'replayed',
    'key-reused',
    'order-exists',
    'replayed',
    'order-exists',
    'key-reused',
  ])
  expect(await answers[5]).toEqual({ ...knownId, kind: 'replayed', isForgotten: false })
  expect(await storedOrders()).toHaveLength(3)
})

test('a key that collides in a batch does not keep another order from being placed', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  const known = newOrder()
  await writer.place(known)
  const answers: Promise<{ kind: string }>[] = []
  await withOrdersLocked(async () => {
    answers.push(writer.place(newOrder()))
    await eventually(waitingStatements)
    // The first of this external id loses to a known key; the second is good.
    answers.push(
      writer.place(newOrder({ externalId: 'WEB-1', idempotencyKey: known.idempotencyKey })),
      writer.place(newOrder({ externalId: 'WEB-1' })),
    )
  })
  const kinds = (await Promise.all(answers)).map((answer) => answer.kind)
  expect(kinds).toEqual(['placed', 'key-reused', 'placed'])
  expect(await storedOrders()).toHaveLength(3)
})

test('when too many orders wait, the next is told to come again, and nothing of it is stored', async () => {
  const writer = openWriter({ maxInFlight: 1, maxWaiting: 3 })
  const waiting: Promise<{ kind: string }>[] = []
  await withOrdersLocked(async () => {
    waiting.push(writer.place(newOrder()))
    await eventually(waitingStatements)
    for (let n = 0; n < 3; n += 1) waiting.push(writer.place(newOrder()))
    expect(await writer.place(newOrder())).toEqual({ kind: 'overloaded' })
  })
  expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual(Array(4).fill('placed'))
  expect(await storedOrders()).toHaveLength(4)
})

test('closing writes the orders that wait and takes no further ones', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  const placed = Array.from({ length: 50 }, () => writer.place(newOrder()))
  await writer.close()
  expect(await storedOrders()).toHaveLength(50)
  expect((await Promise.all(placed)).every(({ kind }) => kind === 'placed')).toBe(true)
  expect(await writer.place(newOrder())).toEqual({ kind: 'overloaded' })
  await writer.close()
})

test('two processes that write the same orders the other way round do not lock each other out', async () => {
  const writers = [openWriter({ maxInFlight: 1 }), openWriter({ maxInFlight: 1 })]
  const orders = Array.from({ length: 200 }, () => newOrder())
  const answers: Promise<{ kind: string }>[] = []
  let statements = 0
  await withOrdersLocked(async () => {
    answers.push(...writers.map((writer) => writer.place(newOrder())))
    await eventually(async () => (await waitingStatements()) === 2)
    for (const [index, writer] of writers.entries()) {
      const turned = index === 0 ? orders : orders.toReversed()
      answers.push(...turned.map((order) => writer.place(order)))
    }
    database.pool.on('acquire', () => {
      statements += 1
    })
  })
  const kinds = Map.groupBy(await Promise.all(answers), ({ kind }) => kind)
  expect(kinds.get('placed')).toHaveLength(202)
  expect(kinds.get('replayed')).toHaveLength(200)
  // After a deadlock one of them would have written its orders one by one.
  expect(statements).toBeLessThan(20)
  expect(await storedOrders()).toHaveLength(202)
})

test('when connections are lost while writing, callers hear of it, and a repeat places each order once', async () => {
  const writer = openWriter({ maxInFlight: 1 })
  const orders = Array.from({ length: 6 }, () => newOrder())
  const failures: Promise<unknown>[] = []
  const place = (order: NewOrder) => {
    failures.push(writer.place(order).catch((error: unknown) => error))
  }
  await withOrdersLocked(async () => {
    for (const order of orders.slice(0, 1)) place(order)
    await eventually(waitingStatements)
    for (const order of orders.slice(1)) place(order)
    // First the statement of one, then that of the batch behind it.
    await eventually(loseWaitingConnections)
    await failures[0]
    await eventually(loseWaitingConnections)
    const errors = await Promise.all(failures)
    expect(errors.every((error) => error instanceof Error)).toBe(true)
  })
  const again = await Promise.all(orders.map((order) => writer.place(order)))
  expect(again.map(({ kind }) => kind)).toEqual(Array(6).fill('placed'))
  expect(await storedOrders()).toHaveLength(6)
})

async function loseWaitingConnections(): Promise<number> {
  const { rows } = await database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length
}
