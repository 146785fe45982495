import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { askForReport } from '#reports/ask-for-report.ts'
import { beginDraft } from '#reports/report-draft.ts'
import { forgetOldReports } from '#reports/forget-old-reports.ts'

import { readPlan } from '../support/read-plan.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { watchStatements } from '../support/watch-statements.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

const upkeep = () => forgetOldReports(database.db, AbortSignal.timeout(30_000))

/** So many reports of each: that can be downloaded, that expired, that were never made; of the last 90 days, with a piece of each. */
async function addReports(count: number, made: 'ready' | 'expired' | 'never'): Promise<void> {
  const values = {
    ready: `gen_random_uuid(), at, '[]', decode(repeat('00', 32), 'hex'), at, now() + interval '7 days' * n / $1::int`,
    expired: `gen_random_uuid(), at, '[]', decode(repeat('00', 32), 'hex'), at, at + interval '1 minute'`,
    never: 'null, null, null, null, null::timestamptz, null::timestamptz',
  }
  await database.pool.query(
    `with added as (
       insert into orderwheel.reports (id, api_key_id, requested_by, kind, format, period_from, period_to, requested_at,
                                       attempt, begun_at, sums, digest, made_at, expires_at)
       select gen_random_uuid(), gen_random_uuid(), 'books', 'orders', 'csv', at - interval '1 day', at, at, ${values[made]}
         from generate_series(1, $1::int) n
        cross join lateral (select now() - interval '2 days' - interval '85 days' * n / $1::int as at) t
       returning id, attempt
     )
     insert into orderwheel.report_chunks (report_id, attempt, number, bytes)
     select id, coalesce(attempt, id), 0, 'piece' from added`,
    [count],
  )
}

async function count(what: string): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    `select count(*)::int as count from orderwheel.${what}`,
  )
  return rows[0]?.count ?? 0
}

test('upkeep works through what piled up, a thousand of each at a time, and then looks at none of it again', async () => {
  await addReports(1_500, 'expired')
  await addReports(1_200, 'never')
  await addReports(2_000, 'ready')
  expect(await upkeep()).toBe(2_000)
  expect(await upkeep()).toBe(700)
  expect(await upkeep()).toBe(0)
  expect(await count('report_chunks')).toBe(2_000)
  expect(await count('reports')).toBe(4_700)
  expect(await count('reports where emptied_at is null')).toBe(2_000)

  await database.pool.query('vacuum analyze orderwheel.reports, orderwheel.report_chunks')
  const saidDuring = watchStatements(database.pool)
  const said = await saidDuring(upkeep)
  const read = []
  for (const statement of said) read.push(await touched(statement.text, statement.values))
  // Nothing is over, nothing is given up, nothing is marked, nothing is forgotten: whatever there was in 90 days.
  expect(read).toEqual([0, 0, 0, 0])
  // And nothing of what others keep is read when somebody asks for another.
  const asker = { id: randomUUID(), name: 'books' }
  const period = { from: new Date('2026-10-01'), to: new Date('2026-10-02') }
  const asking = await saidDuring(() =>
    database.db
      .transaction()
      .execute((tx) => askForReport(tx, { ...period, format: 'csv' }, asker)),
  )
  const plans = []
  for (const statement of asking.filter(({ text }) => /from orderwheel\.reports/.test(text)))
    plans.push(await readPlan(database.pool, statement))
  expect(plans).toHaveLength(2)
  for (const plan of plans) expect(plan).toContain('Index Scan reports by reports_of_key')
})

/** Rows of reports that a statement reads, whatever it keeps of them. */
async function touched(text: string, values: readonly unknown[]): Promise<number> {
  const { rows } = await database.pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `explain (analyze, format json, costs off, timing off, summary off, buffers off) ${text}`,
    [...values],
  )
  const plan = rows[0]?.['QUERY PLAN'][0].Plan
  return plan ? rowsOf(plan) : 0
}

type Node = {
  'Relation Name'?: string
  'Actual Rows': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Node[]
}

function rowsOf(node: Node): number {
  const own = ['reports', 'report_chunks'].includes(node['Relation Name'] ?? '')
    ? node['Actual Rows'] +
      (node['Rows Removed by Filter'] ?? 0) +
      (node['Rows Removed by Index Recheck'] ?? 0)
    : 0
  return (node.Plans ?? []).reduce((sum, child) => sum + rowsOf(child), own)
}

test('what was given up and is begun anew after all counts again, and is looked at again when that is over', async () => {
  const { rows } = await database.pool.query<{ id: string }>(
    'select id from orderwheel.reports where made_at is null and emptied_at is not null limit 1',
  )
  const id = rows[0]?.id ?? ''
  expect(await beginDraft(database.db, id)).toMatchObject({ id })
  expect(await count(`reports where id = '${id}' and emptied_at is null`)).toBe(1)
  await upkeep()
  expect(await count(`reports where id = '${id}' and emptied_at is not null`)).toBe(1)
  expect(await beginDraft(database.db, id)).toMatchObject({ id })
})

test('a file of months ago is forgotten with its report, and nothing that is younger', async () => {
  await database.pool.query(
    `update orderwheel.reports set expires_at = expires_at - interval '8 days' where made_at is not null and emptied_at is not null`,
  )
  const young = await count(
    `reports where coalesce(expires_at, requested_at) >= now() - interval '90 days'`,
  )
  expect(young).toBeLessThan(await count('reports'))
  await upkeep()
  expect(await count('reports')).toBe(young)
})
