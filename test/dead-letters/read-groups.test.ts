import { afterAll, beforeAll, expect, test } from 'vitest'

import { readGroups } from '#dead-letters/read-groups.ts'

import { buryMany } from '../support/bury-many.ts'
import { plansOf } from '../support/plans-of.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  await buryMany(database.pool, { count: 20_000, closedShare: 0.1 })
}, 120_000)
afterAll(() => database.close())

test('groups count the open letters of each target and kind of failure, the largest first', async () => {
  const groups = await readGroups(database.db, { limit: 500 })
  // A hundred codes, of which every tenth belongs to `rare`.
  expect(groups).toHaveLength(100)
  const { rows } = await database.pool.query<{ n: number }>(
    'select count(*)::int as n from orderwheel.dead_letters where resolved_at is null',
  )
  expect(groups.reduce((sum, { letters }) => sum + letters, 0)).toBe(rows[0]?.n)
  expect(groups.map(({ letters }) => letters)).toEqual(
    groups.map(({ letters }) => letters).toSorted((a, b) => b - a),
  )
  expect(groups[0]).toMatchObject({ status: 422, firstAt: expect.any(Date) })
  expect(groups.every(({ code, error }) => error === code)).toBe(true)
})

test('the groups of one target', async () => {
  const groups = await readGroups(database.db, { target: 'rare', limit: 3 })
  expect(groups.map(({ target }) => target)).toEqual(['rare', 'rare', 'rare'])
})

test('groups are counted in an index', async () => {
  const [plan] = await plansOf(database.pool, (db) => readGroups(db, { limit: 50 }))
  expect(plan?.wholeTables).toEqual([])
  expect(new Set(plan?.indexes)).toEqual(new Set(['dead_letters_groups']))
})

test('reasons that differ only in numbers, addresses and quoted words form one group', async () => {
  const { rows } = await database.pool.query<{ groups: number }>(
    `select count(distinct orderwheel.failure_of(reason))::int as groups
       from unnest(array['no stock for "IPOD-1" in order WEB-1', 'no stock for "IPAD" in order WEB-2']) reason`,
  )
  expect(rows[0]?.groups).toBe(1)
})
