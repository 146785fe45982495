import { setTimeout } from 'node:timers/promises'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { keepPace, type Pace, type Turn } from '#deliveries/keep-pace.ts'
import { declareTargets } from '#status/declare-targets.ts'
import type { Rate } from '#targets/target.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.close())

const quick: Rate = { max: 5, perSeconds: 0.2 }
const hourly: Rate = { max: 1, perSeconds: 3_600 }
const never = new AbortController().signal

async function setRate(rate: Rate | null) {
  await declareTargets(database.db, [testTarget('erp', { rate })])
}

async function bookOne(pace: Pace): Promise<Turn> {
  const [turn] = (await pace.book(1)) ?? []
  if (!turn) throw new Error('no turn')
  return turn
}

test('a database that takes longer to answer than a turn lasts costs turns, not the rate', async () => {
  await setRate(quick)
  // 40 ms there and back; a turn of this rate lasts 10 ms.
  database.pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
    Object.assign(client, {
      query: async (...given: unknown[]) => {
        await setTimeout(40)
        return query(...given)
      },
    })
  })
  const pace = keepPace('erp', database)
  const begun: number[] = []
  for (let i = 0; i < 6; i += 1) {
    await pace.take(await bookOne(pace), never)
    begun.push(performance.now())
  }
  const periods = begun.slice(quick.max).map((at, i) => at - (begun[i] ?? 0))
  expect(Math.min(...periods)).toBeGreaterThanOrEqual(quick.perSeconds * 1_000)
})

test('a single answer that takes long, as after a freeze, makes no later turn come later', async () => {
  await setRate({ max: 1, perSeconds: 0.2 })
  const pace = keepPace('erp', database)
  await bookOne(pace)
  const slow = await database.db.transaction().execute(async (tx) => {
    await sql`select from orderwheel.targets for update`.execute(tx)
    const booking = bookOne(pace)
    // What it waits for is a lock that is held for a second.
    await sql`select pg_sleep(1)`.execute(tx)
    return { booking }
  })
  const turns = [await slow.booking, await bookOne(pace), await bookOne(pace)]
  const [second = 0, third = 0] = turns.slice(1).map((turn, i) => turn.at - (turns[i]?.at ?? 0))
  expect(second).toBeLessThan(1_000)
  expect(third).toBeLessThan(1_000)
})

test('the turns of three workers together never come faster than the rate', async () => {
  await setRate(quick)
  const begun: number[] = []
  const workers = Array.from({ length: 3 }, async () => {
    const pace = keepPace('erp', database)
    for (let i = 0; i < 4; i += 1) {
      const turns = (await pace.book(3)) ?? []
      const take = async (turn: Turn) => {
        if ((await pace.take(turn, never)) !== undefined) begun.push(performance.now())
      }
      await Promise.all(turns.map(take))
    }
  })
  await Promise.all(workers)
  expect(begun).toHaveLength(36)
  const inOrder = begun.toSorted((a, b) => a - b)
  const periods = inOrder.slice(quick.max).map((at, i) => at - (inOrder[i] ?? 0))
  expect(Math.min(...periods)).toBeGreaterThanOrEqual(quick.perSeconds * 1_000)
})

test('who misses a turn takes another one', async () => {
  await setRate(quick)
  const pace = keepPace('erp', database)
  const turns = (await pace.book(12)) ?? []
  const missed = { at: performance.now() - 100, latest: performance.now() - 50 }
  expect(await pace.take(missed, never)).toBeGreaterThan(missed.latest)
  expect(performance.now()).toBeGreaterThan(turns.at(-1)?.at ?? Infinity)
})

test('a worker that stops waits for no turn', async () => {
  await setRate(hourly)
  const pace = keepPace('erp', database)
  await bookOne(pace)
  const stopping = new AbortController()
  const taken = pace.take(await bookOne(pace), stopping.signal)
  stopping.abort()
  expect(await taken).toBeUndefined()
})

test('no more is claimed than has its turn within a second', async () => {
  await setRate(quick)
  const pace = keepPace('erp', database)
  expect(pace.room(quick)).toBe(23)
  expect(pace.untilRoom(quick)).toBe(0)
  await pace.book(40)
  expect(pace.room(quick)).toBe(0)
  expect(pace.untilRoom(quick)).toBeGreaterThan(300)
})

test('when the rate is raised, nobody waits for turns of the old one', async () => {
  await setRate(hourly)
  const pace = keepPace('erp', database)
  pace.heed(hourly)
  await bookOne(pace)
  const taken = pace.take(await bookOne(pace), never)
  expect(pace.room(hourly)).toBe(0)

  await setRate({ max: 1_000, perSeconds: 1 })
  await sql`update orderwheel.targets set next_call_at = null`.execute(database.db)
  pace.heed({ max: 1_000, perSeconds: 1 })
  expect(pace.room(quick)).toBeGreaterThan(0)
  expect(await taken).toBeDefined()
})

test('when the rate is taken away, everybody goes on at once', async () => {
  await setRate(hourly)
  const pace = keepPace('erp', database)
  pace.heed(hourly)
  await bookOne(pace)
  const taken = pace.take(await bookOne(pace), never)
  await setRate(null)
  pace.heed(null)
  expect(await taken).toBe(Infinity)
})
