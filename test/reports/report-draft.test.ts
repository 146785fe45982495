import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { deleteReport } from '#reports/delete-report.ts'
import { forgetOldReports } from '#reports/forget-old-reports.ts'
import { readFile } from '#reports/read-file.ts'
import { addChunk, beginDraft, type Draft, finishDraft, LostDraft } from '#reports/report-draft.ts'

import { eventually } from '../support/eventually.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let id: string
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  id = randomUUID()
  await sql`
    insert into orderwheel.reports (id, api_key_id, requested_by, kind, format, period_from, period_to)
    values (${id}, ${id}, 'books', 'orders', 'csv', now() - interval '1 day', now())`.execute(
    database.db,
  )
})

async function begin(): Promise<Draft> {
  const draft = await beginDraft(database.db, id)
  if (typeof draft !== 'object') throw new Error(`There is nothing to begin: ${draft}`)
  return draft
}

const add = (draft: Draft, number: number, text: string) =>
  addChunk(database.db, draft, { number, bytes: Buffer.from(text), orders: number })

const finish = (draft: Draft) =>
  finishDraft(database.db, draft, {
    orders: 2,
    sums: [],
    digest: Buffer.alloc(32),
    keepDays: 7,
  })

async function chunks(): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    select convert_from(bytes, 'UTF8') as text from orderwheel.report_chunks
     where report_id = ${id} order by number, text`.execute(database.db)
  return rows.map(({ text }) => text)
}

test('a worker that was frozen while another began anew can add nothing, and finish nothing', async () => {
  const frozen = await begin()
  await add(frozen, 0, 'old')
  const next = await begin()
  expect(await chunks()).toEqual([])
  await add(next, 0, 'new')
  await expect(add(frozen, 1, 'old')).rejects.toThrow(LostDraft)
  await expect(finish(frozen)).rejects.toThrow(LostDraft)
  await finish(next)
  await expect(add(next, 1, 'more')).rejects.toThrow(LostDraft)
  expect(await chunks()).toEqual(['new'])
})

test('a report that is made is not made again, whoever repeats its delivery', async () => {
  const draft = await begin()
  await add(draft, 0, 'file')
  await finish(draft)
  expect(await beginDraft(database.db, id)).toBe('made')
  expect(await chunks()).toEqual(['file'])
  expect(await beginDraft(database.db, randomUUID())).toBeUndefined()
})

test('a file whose pieces went while it was read ends with an error, and not as if it were all', async () => {
  const draft = await begin()
  await add(draft, 0, 'x'.repeat(262_144))
  const reading = async () => {
    let bytes = 0
    const pieces = await readFile(database.db, { ...draft, first: 0, last: 300_000 })
    for await (const piece of pieces ?? []) bytes += piece.length
    return bytes
  }
  await expect(reading()).rejects.toThrow('piece 1 of report')
  const none = { ...draft, first: 262_144, last: 300_000 }
  expect(await readFile(database.db, none)).toBeUndefined()
})

test('what attempts that were cut off left of a report is no part of its file, and goes with it', async () => {
  const draft = await begin()
  await add(draft, 0, 'file')
  await finish(draft)
  for (const attempt of ['0'.repeat(32), 'f'.repeat(32)])
    await sql`
      insert into orderwheel.report_chunks (report_id, attempt, number, bytes)
      values (${id}, ${attempt}::uuid, 0, 'debris')`.execute(database.db)
  const pieces = await readFile(database.db, { ...draft, first: 0, last: 3 })
  expect(Buffer.concat(await Array.fromAsync(pieces ?? [])).toString()).toBe('file')
  await sql`
    update orderwheel.reports set expires_at = now() - interval '61 minutes' where id = ${id}`.execute(
    database.db,
  )
  await forgetOldReports(database.db, AbortSignal.timeout(10_000))
  expect(await chunks()).toEqual([])
})

test('a worker that was frozen while it took away what others had left takes nothing of who began meanwhile', async () => {
  const lost = await begin()
  for (let number = 0; number < 70; number += 1) await add(lost, number, 'old')
  const holder = await database.pool.connect()
  try {
    await holder.query('begin')
    await holder.query('select from orderwheel.report_chunks where report_id = $1 for update', [id])
    const frozen = beginDraft(database.db, id)
    await eventually(async () => {
      const { rows } = await sql`
        select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db)
      return rows.length > 0
    })
    await holder.query('update orderwheel.reports set attempt = gen_random_uuid() where id = $1', [
      id,
    ])
    await holder.query(
      `insert into orderwheel.report_chunks (report_id, attempt, number, bytes)
       select id, attempt, 0, 'new' from orderwheel.reports where id = $1`,
      [id],
    )
    await holder.query('commit')
    await frozen
    expect(await chunks()).toEqual(['new'])
  } finally {
    holder.release(true)
  }
})

test('of a report that was deleted, nobody adds or finishes anything, and nobody begins it anew', async () => {
  const draft = await begin()
  await add(draft, 0, 'some')
  expect(await deleteReport(database.db, { id, who: 'eva', reason: null })).toBe('now')
  expect(await chunks()).toEqual([])
  await expect(add(draft, 1, 'more')).rejects.toThrow(LostDraft)
  await expect(finish(draft)).rejects.toThrow(LostDraft)
  expect(await beginDraft(database.db, id)).toBe('deleted')
  expect(await chunks()).toEqual([])
})
