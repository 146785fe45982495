import { afterAll, beforeAll, expect, test } from 'vitest'

import type { LetterFilter } from '#dead-letters/letter-filter.ts'
import { listLetters, type LetterState } from '#dead-letters/list-letters.ts'

import { buryMany } from '../support/bury-many.ts'
import { plansOf } from '../support/plans-of.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  await buryMany(database.pool, { count: 20_000, closedShare: 0.5 })
}, 120_000)
afterAll(() => database.close())

async function list(
  filter: LetterFilter = {},
  more: { state?: LetterState; limit?: number; after?: string } = {},
) {
  const page = await listLetters(database.db, { filter, state: 'open', limit: 50, ...more })
  if (!page) throw new Error('no page')
  return page
}

/** The letters with these numbers are in this state, newest first. */
async function expected(where: string, order = 'died_at'): Promise<string[]> {
  const { rows } = await database.pool.query<{ id: string }>(
    `select l.id from orderwheel.dead_letters l where ${where} order by ${order} desc, l.id desc`,
  )
  return rows.map(({ id }) => id)
}

async function readAll(filter: LetterFilter, state: LetterState): Promise<string[]> {
  const ids: string[] = []
  let after: string | null = null
  do {
    const page = await list(filter, { state, limit: 500, ...(after === null ? {} : { after }) })
    ids.push(...page.letters.map(({ id }) => id))
    after = page.next
  } while (after !== null)
  return ids
}

test.each([
  ['open', 'resolved_at is null', 'died_at'],
  ['closed', 'resolved_at is not null', 'resolved_at'],
  ['all', 'true', 'died_at'],
] as const)(
  'page by page, all %s letters are listed once, the newest first',
  async (state, where, order) => {
    expect(await readAll({}, state)).toEqual(await expected(where, order))
  },
)

test('letters that died in the same instant are listed once each', async () => {
  await database.pool.query(
    `update orderwheel.dead_letters set died_at = '2020-01-01T00:00:00.123456Z' where target = 'rare'`,
  )
  const ids = await readAll({ target: 'rare' }, 'open')
  expect(ids).toEqual(await expected(`target = 'rare' and resolved_at is null`))
  expect(new Set(ids).size).toBe(ids.length)
})

test('a filter narrows by target, group, words of the reason, time, order and id', async () => {
  const [letter] = (await list()).letters
  if (!letter) throw new Error('no letter')
  const { id, groupId, orderId, diedAt } = letter
  expect(await readAll({ groupId }, 'open')).toEqual(
    await expected(`group_id = '${groupId}' and resolved_at is null`),
  )
  expect((await list({ orderId })).letters).toEqual([letter])
  expect((await list({ ids: [id] })).letters).toEqual([letter])
  expect((await list({ error: 'ANSWERED 4' })).letters).toHaveLength(50)
  expect((await list({ error: '%' })).letters).toEqual([])
  expect((await list({ since: diedAt, target: letter.target })).letters).toContainEqual(letter)
  expect((await list({ until: diedAt })).letters).not.toContainEqual(letter)
  expect((await list({ target: 'unknown' })).letters).toEqual([])
})

test('a letter in a list says what it was about and what became of it', async () => {
  const [open] = (await list({ target: 'erp' })).letters
  expect(open).toMatchObject({
    target: 'erp',
    externalId: expect.stringMatching(/^WEB-/),
    message: { kind: 'order.placed' },
    reason: 'answered 422',
    status: 422,
    code: expect.stringMatching(/^E\d+$/),
    attemptCount: 1,
    closed: null,
    held: null,
  })
  const [closed] = (await list({}, { state: 'closed' })).letters
  expect(closed?.closed).toMatchObject({ resolution: 'discarded', by: null, replayId: null })
})

const place = (at: string) =>
  Buffer.from(`${at}.000000Z 0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4`).toString('base64url')

test.each([
  '',
  'x',
  '….',
  ...['2026-13-45', '2026-02-30', '0000-01-01'].map((day) => place(`${day}T00:00:00`)),
  place('2026-01-01T24:00:00'),
])('a place that is none of ours is refused: "%s"', async (after) => {
  const page = { filter: {}, state: 'open', limit: 10, after } as const
  expect(await listLetters(database.db, page)).toBeUndefined()
})

test.each<[string, LetterFilter, LetterState, string]>([
  ['open', {}, 'open', 'dead_letters_open_newest'],
  ['of a target', { target: 'rare' }, 'open', 'dead_letters_open'],
  ['of a group', {}, 'open', 'dead_letters_groups'],
  ['of a group and closed', {}, 'closed', 'dead_letters_closed_groups'],
  ['closed', {}, 'closed', 'dead_letters_closed_newest'],
  ['open and closed', {}, 'all', 'dead_letters_newest'],
])(
  'a page of letters that are %s is read from an index, not from the whole archive',
  async (what, filter, state, index) => {
    const first = await list(filter, { state })
    const groupId = first.letters.at(-1)?.groupId ?? ''
    const meant = what.startsWith('of a group') ? { groupId } : filter
    const after = (await list(meant, { state, limit: 20 })).next ?? ''
    const plans = await plansOf(database.pool, (db) =>
      listLetters(db, { filter: meant, state, limit: 50, after }),
    )
    expect(plans).toHaveLength(1)
    expect(plans[0]).toMatchObject({ wholeTables: [] })
    expect(plans[0]?.indexes).toContain(index)
    expect(plans[0]?.rows).toBeLessThanOrEqual(51)
  },
)
