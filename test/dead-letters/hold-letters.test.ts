import { afterAll, beforeAll, expect, test } from 'vitest'

import { holdLetters, releaseLetters } from '#dead-letters/hold-letters.ts'
import { listLetters } from '#dead-letters/list-letters.ts'

import { buryMany } from '../support/bury-many.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  await buryMany(database.pool, { count: 25_000, closedShare: 0.2 })
}, 120_000)
afterAll(() => database.close())

const audit = (action: string) =>
  database.db
    .selectFrom('orderwheel.audit_log')
    .select(['who', 'subject', 'reason', 'details'])
    .where('action', '=', action)
    .orderBy('id')
    .execute()

test('one letter is held and released, and the audit log says who, why, and what was before', async () => {
  const page = { filter: {}, state: 'open', limit: 1 } as const
  const id = (await listLetters(database.db, page))?.letters[0]?.id ?? ''
  const filter = { ids: [id] }
  expect(await holdLetters(database.db, { filter, who: 'ada', reason: 'court' })).toBe(1)
  // A second press of the button.
  expect(await holdLetters(database.db, { filter, who: 'bob', reason: 'again' })).toBe(0)
  expect((await listLetters(database.db, page))?.letters[0]?.held).toMatchObject({
    by: 'ada',
    reason: 'court',
  })
  expect(await releaseLetters(database.db, { filter, who: 'bob', reason: 'over' })).toBe(1)
  expect((await listLetters(database.db, page))?.letters[0]?.held).toBeNull()
  expect(await audit('dead-letter.held')).toEqual([
    {
      who: 'ada',
      subject: id,
      reason: 'court',
      details: { filter, letters: [id], before: null, after: { by: 'ada', reason: 'court' } },
    },
  ])
  expect(await audit('dead-letter.released')).toMatchObject([
    { who: 'bob', subject: id, details: { before: [{ by: 'ada', reason: 'court' }], after: null } },
  ])
})

test('when a later step fails, it is said how many were held before', async () => {
  await database.pool.query(
    `alter table orderwheel.dead_letters add constraint full_disk check (resolved_at is null or held_at is null) not valid`,
  )
  const filter = { target: 'erp' }
  await expect(holdLetters(database.db, { filter, who: 'ada', reason: 'again' })).rejects.toThrow(
    /^18000 dead letters were held; repeat it for the rest\. .*full_disk/,
  )
  await database.pool.query(`alter table orderwheel.dead_letters drop constraint full_disk`)
  expect(await releaseLetters(database.db, { filter, who: 'ada', reason: 'again' })).toBe(18_000)
  await database.pool.query(`delete from orderwheel.audit_log where reason = 'again'`)
})

test('all letters of a target are held, open and closed, in transactions that stay small', async () => {
  const filter = { target: 'erp' }
  const held = await holdLetters(database.db, { filter, who: 'ada', reason: 'audit' })
  const { rows } = await database.pool.query<{ n: number; held: number }>(
    `select count(*)::int as n, count(held_at)::int as held from orderwheel.dead_letters where target = 'erp'`,
  )
  expect(rows[0]).toEqual({ n: held, held })
  expect((await audit('dead-letter.held')).slice(1).map(({ subject }) => subject)).toEqual([
    '10000 dead letters',
    '8000 dead letters',
    '4500 dead letters',
  ])
})
