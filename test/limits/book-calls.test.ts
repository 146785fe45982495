import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { bookCalls, timing } from '#limits/book-calls.ts'
import { declareTargets } from '#status/declare-targets.ts'
import type { Rate, Target } from '#targets/target.ts'

import { randomNumbers } from '../support/random-numbers.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

let database: TestDatabase
afterEach(() => database.close())

async function openErp(options: Partial<Target>) {
  database = await testDatabase()
  await declareTargets(database.db, [testTarget('erp', options)])
}

/** Books calls and answers when each may begin, by the server's clock in ms. */
async function book(count: number, rate: Rate): Promise<number[]> {
  return database.db.transaction().execute(async (tx) => {
    if (!(await bookCalls(tx, { target: 'erp', count }))) throw new Error('not booked')
    const { rows } = await sql<{ end: number }>`
      select extract(epoch from next_call_at)::float8 * 1000 as end from orderwheel.targets`.execute(
      tx,
    )
    const end = rows[0]?.end ?? Number.NaN
    const { spacingMs } = timing(rate)
    return Array.from({ length: count }, (_, place) => end - (count - place) * spacingMs)
  })
}

// Microseconds of the server and a float's rounding.
const roundingMs = 0.01

/** The shortest time in which `max` calls and one more may begin, each as late as it is allowed to. */
function shortestPeriodMs(booked: readonly number[], { max, perSeconds }: Rate): number {
  const { lateMs } = timing({ max, perSeconds })
  const inOrder = booked.toSorted((a, b) => a - b)
  const periods = inOrder.slice(max).map((at, i) => at - ((inOrder[i] ?? 0) + lateMs))
  return Math.min(...periods)
}

test.each<Rate>([
  { max: 10, perSeconds: 1 },
  { max: 3, perSeconds: 0.1 },
  { max: 20, perSeconds: 60 },
])(
  '$max calls in $perSeconds s, booked by eight connections at once, never overlap',
  async (rate) => {
    await openErp({ rate, concurrency: 1_000 })
    const random = randomNumbers(rate.max)
    const connections = Array.from({ length: 8 }, async () => {
      const booked: number[] = []
      for (let i = 0; i < 12; i += 1) booked.push(...(await book(1 + random(3), rate)))
      return booked
    })
    const booked = (await Promise.all(connections)).flat()
    expect(booked.length).toBeGreaterThanOrEqual(96)
    expect(shortestPeriodMs(booked, rate)).toBeGreaterThanOrEqual(
      rate.perSeconds * 1_000 - roundingMs,
    )
  },
)

test('calls of a slow rate that many workers have claimed do not overlap', async () => {
  const rate = { max: 1, perSeconds: 60 }
  await openErp({ rate, concurrency: 20 })
  const booked: number[] = []
  for (let worker = 0; worker < 20; worker += 1) booked.push(...(await book(1, rate)))
  expect(shortestPeriodMs(booked, rate)).toBeGreaterThanOrEqual(60_000 - roundingMs)
})

test('what was not used is not saved up', async () => {
  const rate = { max: 10, perSeconds: 1 }
  await openErp({ rate })
  await sql`update orderwheel.targets set next_call_at = now() - interval '1 hour'`.execute(
    database.db,
  )
  const booked = await book(30, rate)
  expect(shortestPeriodMs(booked, rate)).toBeGreaterThanOrEqual(1_000 - roundingMs)
  const booking = await bookCalls(database.db, { target: 'erp', count: 1 })
  expect(booking?.firstInMs).toBeGreaterThan(2_000)
})

test('a clock that was set back by a failover holds calls up for seconds, not for hours', async () => {
  await openErp({ rate: { max: 10, perSeconds: 1 } })
  await sql`update orderwheel.targets set next_call_at = now() + interval '3 hours'`.execute(
    database.db,
  )
  const booking = await bookCalls(database.db, { target: 'erp', count: 1 })
  expect(booking?.firstInMs).toBeLessThan(10_000)
})

test('the rate that an operator set counts, and none when he set none', async () => {
  await openErp({ rate: { max: 10, perSeconds: 1 } })
  const { db } = database
  await sql`update orderwheel.targets
               set rate_set = true, rate_set_max = 5, rate_set_per_seconds = 10`.execute(db)
  const slow = await bookCalls(db, { target: 'erp', count: 1 })
  expect(slow).toMatchObject(timing({ max: 5, perSeconds: 10 }))
  await sql`update orderwheel.targets set rate_set_max = null, rate_set_per_seconds = null`.execute(
    db,
  )
  expect(await bookCalls(db, { target: 'erp', count: 1 })).toBeUndefined()
})

test('a target without a rate books nothing', async () => {
  await openErp({ rate: null })
  expect(await bookCalls(database.db, { target: 'erp', count: 1 })).toBeUndefined()
})
