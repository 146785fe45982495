import { afterEach, beforeEach, expect, test } from 'vitest'

import { holdLetters, releaseLetters } from '#dead-letters/hold-letters.ts'
import { listLetters } from '#dead-letters/list-letters.ts'
import { readLetter } from '#dead-letters/read-letter.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { forgetOldLetters } from '#upkeep/forget-old-letters.ts'

import { buryMany } from '../support/bury-many.ts'
import { plansOf } from '../support/plans-of.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await buryMany(database.pool, { count: 3_000, closedShare: 0.5 })
  await database.pool.query(
    `update orderwheel.dead_letters set resolved_at = now() - interval '31 days' where resolved_at is not null`,
  )
})
afterEach(() => database.close())

const keep = (keepLettersDays: number | null) =>
  declareTargets(database.db, [testTarget('erp', { keepLettersDays }), testTarget('rare')])

const forget = () => forgetOldLetters(database.db, new AbortController().signal)

async function count(where: string): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(
    `select count(*)::int as n from orderwheel.dead_letters where ${where}`,
  )
  return rows[0]?.n ?? 0
}

test('closed letters are deleted when their target’s time is over, and nothing else', async () => {
  const open = await count('resolved_at is null')
  const rare = await count(`target = 'rare'`)
  await keep(30)
  expect(await forget()).toBeGreaterThan(1_000)
  expect(await count(`target = 'erp' and resolved_at is not null`)).toBe(0)
  expect(await count('resolved_at is null')).toBe(open)
  expect(await count(`target = 'rare'`)).toBe(rare)
  expect(await forget()).toBe(0)
})

test.each([null, 32])('nothing is deleted before its time: %j days', async (days) => {
  await keep(days)
  expect(await forget()).toBe(0)
})

test('what is held is never deleted, until it is released', async () => {
  await keep(30)
  const request = { filter: { target: 'erp' }, who: 'ada', reason: 'court' }
  await holdLetters(database.db, request)
  expect(await forget()).toBe(0)
  await releaseLetters(database.db, request)
  expect(await forget()).toBeGreaterThan(1_000)
})

test('a million open letters do not make the retention slow: it looks at what is over', async () => {
  await keep(30)
  await forget()
  await database.pool.query('vacuum analyze orderwheel.dead_letters')
  const [plan] = await plansOf(database.pool, (db) =>
    forgetOldLetters(db, new AbortController().signal),
  )
  expect(plan?.wholeTables.filter((table) => table === 'dead_letters')).toEqual([])
  expect(plan?.indexes).toContain('dead_letters_closed')
})

test('a letter outlives its month of history', async () => {
  const page = { filter: {}, state: 'open', limit: 1 } as const
  const [letter] = (await listLetters(database.db, page))?.letters ?? []
  // As when partitions are dropped: no trigger takes the letters along.
  await database.pool.query('truncate orderwheel.deliveries, orderwheel.messages')
  expect((await listLetters(database.db, page))?.letters).toEqual([
    { ...letter, message: { id: letter?.message.id, kind: null } },
  ])
  expect(await readLetter(database.db, letter?.id ?? '')).toMatchObject({
    attemptCount: 1,
    delivery: { state: null, isEdited: false, isEditDue: false },
  })
})
