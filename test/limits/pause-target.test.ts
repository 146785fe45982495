import pg from 'pg'
import { afterAll, beforeEach, beforeAll, expect, test } from 'vitest'

import { pauseTarget } from '#limits/pause-target.ts'
import { readChanges } from '#limits/read-changes.ts'
import { readLimits } from '#limits/read-limits.ts'
import { resumeTarget } from '#limits/resume-target.ts'

import { actAtOnce } from '../support/act-at-once.ts'
import { eventually } from '../support/eventually.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

beforeEach(() =>
  database.pool.query(`
    truncate orderwheel.target_changes, orderwheel.audit_log, orderwheel.targets cascade;
    insert into orderwheel.targets (name, kind, concurrency) values ('erp', 'http', 20), ('mail', 'email', 5)`),
)

const request = { target: 'erp', who: 'eva', reason: 'ERP upgrade', end: null }

test('a pause says who, why and until when, in the row, the history and the audit log', async () => {
  const paused = await pauseTarget(database.db, { ...request, end: { afterSeconds: 1_800 } })

  const { at, targets } = await readLimits(database.db)
  const [erp, mail] = targets
  expect(erp?.paused).toEqual({
    by: 'eva',
    reason: 'ERP upgrade',
    since: expect.any(Date),
    until: expect.any(Date),
  })
  expect(paused).toEqual({ kind: 'paused', pause: erp?.paused, before: null })
  expect(mail?.paused).toBeNull()
  const minutes = ((erp?.paused?.until?.getTime() ?? 0) - at.getTime()) / 60_000
  expect(minutes).toBeGreaterThan(29)
  expect(minutes).toBeLessThanOrEqual(30)
  const until = erp?.paused?.until?.toISOString()
  expect(await changes()).toEqual([
    { change: 'paused', who: 'eva', reason: `ERP upgrade (until ${until})` },
  ])
  expect(await audit()).toEqual([
    { who: 'eva', action: 'target.paused', subject: 'erp', reason: 'ERP upgrade' },
  ])
})

test('pausing a paused target changes its reason and end, not since when it is paused', async () => {
  const first = await pauseTarget(database.db, { ...request, end: { afterSeconds: 60 } })
  const second = await pauseTarget(database.db, { ...request, who: 'tom', reason: 'still down' })

  if (first.kind !== 'paused' || second.kind !== 'paused') throw new Error('It was not paused.')
  expect(second.before).toEqual(first.pause)
  expect(second.pause).toEqual({
    since: first.pause.since,
    by: 'tom',
    reason: 'still down',
    until: null,
  })
})

test('a pause that is over counts as none, whoever looks', async () => {
  await pauseTarget(database.db, { ...request, end: { afterSeconds: 60 } })
  await letThePauseEnd()

  expect((await readLimits(database.db)).targets[0]?.paused).toBeNull()
  const resumed = await resumeTarget(database.db, { target: 'erp', who: 'eva', reason: null })
  expect(resumed).toMatchObject({ kind: 'not-paused', over: { by: 'eva' } })
  expect(await changes()).toHaveLength(1)

  const again = await pauseTarget(database.db, { ...request, reason: 'second upgrade' })
  expect(again).toMatchObject({ kind: 'paused', before: null })
  expect((await changes()).map(({ change }) => change)).toEqual(['paused', 'resumed', 'paused'])
})

test('an end that has passed by the database’s clock is refused', async () => {
  const { at } = await readLimits(database.db)

  expect(await pauseTarget(database.db, { ...request, end: { at } })).toMatchObject({
    kind: 'end-has-passed',
  })
  expect((await readLimits(database.db)).targets[0]?.paused).toBeNull()
  expect(await changes()).toEqual([])
})

test('a resumed target is called again, and its history says who resumed it', async () => {
  await pauseTarget(database.db, request)

  expect(
    await resumeTarget(database.db, { target: 'erp', who: 'tom', reason: 'upgraded' }),
  ).toEqual({
    kind: 'resumed',
    before: expect.objectContaining({ by: 'eva', reason: 'ERP upgrade' }),
  })

  const { rows } = await database.pool.query(`
    select paused_at, paused_until, paused_by, pause_reason from orderwheel.targets where name = 'erp'`)
  expect(rows).toEqual([
    { paused_at: null, paused_until: null, paused_by: null, pause_reason: null },
  ])
  expect((await changes()).at(-1)).toEqual({ change: 'resumed', who: 'tom', reason: 'upgraded' })
})

test('of two people who resume at once one does, and the history has it once', async () => {
  await pauseTarget(database.db, request)

  const both = await actAtOnce(database, {
    lock: `select from orderwheel.targets where name = 'erp' for update`,
    acts: ['eva', 'tom'].map(
      (who) => () => resumeTarget(database.db, { target: 'erp', who, reason: null }),
    ),
  })

  expect(both.map(({ kind }) => kind).sort()).toEqual(['not-paused', 'resumed'])
  expect(await changes()).toHaveLength(2)
})

test('a target nobody declared is neither paused nor resumed', async () => {
  const unknown = { kind: 'unknown-target' }
  expect(await pauseTarget(database.db, { ...request, target: 'epr' })).toEqual(unknown)
  expect(await resumeTarget(database.db, { target: 'epr', who: 'eva', reason: null })).toEqual(
    unknown,
  )
})

test('workers hear of a pause and its end', async () => {
  const client = new pg.Client(database.connection)
  await client.connect()
  const heard: (string | undefined)[] = []
  client.on('notification', ({ payload }) => heard.push(payload))
  await client.query('listen orderwheel_targets')
  try {
    await pauseTarget(database.db, request)
    await eventually(() => heard.length === 1)
    await resumeTarget(database.db, { target: 'erp', who: 'eva', reason: null })
    await eventually(() => heard.length === 2)
  } finally {
    await client.end()
  }
  expect(heard).toEqual(['erp', 'erp'])
})

async function letThePauseEnd(): Promise<void> {
  await database.pool.query(`update orderwheel.targets set paused_until = now() where name = 'erp'`)
}

async function changes() {
  const found = await readChanges(database.db, 'erp')
  return found.map(({ change, who, reason }) => ({ change, who, reason }))
}

async function audit() {
  const { rows } = await database.pool.query(
    `select who, action, subject, reason from orderwheel.audit_log order by id`,
  )
  return rows as unknown[]
}
