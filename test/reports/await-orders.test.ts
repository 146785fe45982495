import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { awaitOrders } from '#reports/await-orders.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

async function wanted(endedAgo: string): Promise<string> {
  const id = randomUUID()
  await database.pool.query(
    `insert into orderwheel.reports (id, api_key_id, requested_by, kind, format, period_from, period_to)
     values ($1, $1, 'books', 'orders', 'csv', now() - interval '1 day', now() - $2::interval)`,
    [id, endedAgo],
  )
  return id
}

test('a report waits until its period has been over for a minute', async () => {
  const early = await awaitOrders(database.db, await wanted('10 seconds'))
  const seconds = early?.kind === 'try-again' ? (early.notBeforeSeconds ?? 0) : 0
  expect(seconds).toBeGreaterThan(0)
  expect(seconds).toBeLessThanOrEqual(51)
  expect(await awaitOrders(database.db, await wanted('61 seconds'))).toBeUndefined()
  expect(await awaitOrders(database.db, randomUUID())).toBeUndefined()
})

test('a report waits for a transaction that began in its period and writes orders, and for no other', async () => {
  const before = await wanted('0 seconds')
  const writer = await database.pool.connect()
  try {
    await writer.query('begin')
    await writer.query('select from orderwheel.orders')
    const after = await wanted('0 seconds')
    const ask = (id: string) => awaitOrders(database.db, id, { grace: 0 })
    expect(await ask(after)).toBeUndefined()
    await writer.query('delete from orderwheel.orders where false')
    expect(await ask(after)).toMatchObject({
      kind: 'try-again',
      reason: expect.stringMatching('still writes orders') as string,
    })
    expect(await ask(before)).toBeUndefined()
    await writer.query('rollback')
    expect(await ask(after)).toBeUndefined()
  } finally {
    writer.release(true)
  }
})
