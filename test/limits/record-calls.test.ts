import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import type { CallsEnded } from '#limits/circuit.ts'
import { recordCalls } from '#limits/record-calls.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { circuitDefaults } from '#targets/target.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await declareTargets(database.db, [testTarget('erp', { concurrency: 4 })])
})
afterEach(() => database.close())

const options = circuitDefaults

function record(ended: Partial<CallsEnded>, { epoch = 0, worker = 'a' } = {}) {
  const calls = { calls: 1, failed: 0, failedInARow: 0, reason: null, ...ended }
  return recordCalls(database.db, { target: 'erp', worker, options, epoch, ended: calls })
}

const fail = (count = 1, from: { epoch?: number; worker?: string } = {}) =>
  record({ calls: count, failed: count, failedInARow: count, reason: 'answered 503' }, from)

async function target() {
  return database.db.selectFrom('orderwheel.targets').selectAll().executeTakeFirstOrThrow()
}

async function setTarget(values: string) {
  await sql`update orderwheel.targets set ${sql.raw(values)}`.execute(database.db)
}

test('failures that several workers saw add up, and the change is written down with its reason and by whom', async () => {
  expect(await fail(2, { worker: 'a' })).toMatchObject({
    state: 'closed',
    changed: false,
    clean: false,
  })
  const opened = await fail(3, { worker: 'b' })
  expect(opened).toMatchObject({ state: 'open', epoch: 1, changed: true, clean: false })
  expect(opened.reason).toBe('5 calls failed in a row: answered 503')
  expect(opened.probeInSeconds).toBe(5)
  const changes = await database.db.selectFrom('orderwheel.target_changes').selectAll().execute()
  expect(changes).toMatchObject([{ change: 'circuit-opened', who: 'b', reason: opened.reason }])
  expect(await target()).toMatchObject({ circuit: 'open', circuit_reason: opened.reason })
})

test('workers that report at the same moment count together', async () => {
  const recorded = await Promise.all(
    Array.from({ length: 8 }, (_, i) => fail(1, { worker: `${i}` })),
  )
  expect(recorded.filter(({ changed }) => changed)).toHaveLength(1)
  expect(await target()).toMatchObject({ circuit: 'open' })
  expect(Number((await target()).circuit_epoch)).toBe(1)
})

test('a call that began before the circuit opened says nothing after it', async () => {
  await fail(5)
  await setTarget(`circuit = 'probing', circuit_epoch = 2`)
  expect(await fail(5, { epoch: 0 })).toMatchObject({ state: 'probing', epoch: 2, changed: false })
  expect(await record({}, { epoch: 0 })).toMatchObject({ state: 'probing', changed: false })
  expect(await record({}, { epoch: 2 })).toMatchObject({
    state: 'ramping',
    epoch: 3,
    changed: true,
  })
})

test('who reports to an open circuit is told when it is probed', async () => {
  await fail(5)
  await setTarget(`probe_at = now() + interval '40 seconds'`)
  const { probeInSeconds } = await fail(1)
  expect(probeInSeconds).toBeGreaterThan(30)
  expect(probeInSeconds).toBeLessThanOrEqual(40)
})

test('a success is forgotten trouble: nothing more has to be recorded', async () => {
  await fail(4)
  await record({})
  expect(await target()).toMatchObject({ failed_in_a_row: 0, window_failed: 4, window_calls: 5 })
  await setTarget(`window_since = now() - interval '31 seconds'`)
  expect(await record({})).toMatchObject({ clean: true })
  expect(await target()).toMatchObject({ window_failed: 0, window_calls: 0 })
})

test('failures longer ago than the window do not count', async () => {
  for (let i = 0; i < 9; i += 1) await record({ calls: 2, failed: 1, reason: 'answered 503' })
  await setTarget(`window_since = now() - interval '31 seconds'`)
  const late = await record({ calls: 2, failed: 1, reason: 'answered 503' })
  expect(late).toMatchObject({ state: 'closed' })
  expect(await target()).toMatchObject({ window_calls: 2, window_failed: 1 })
})

test('half of the calls within the window open it', async () => {
  for (let i = 0; i < 9; i += 1) await record({ calls: 2, failed: 1, reason: 'answered 503' })
  const last = await record({ calls: 2, failed: 1, reason: 'answered 503' })
  expect(last).toMatchObject({ state: 'open', reason: '10 of 20 calls failed: answered 503' })
})

test('a target comes back step by step, and each change is written down', async () => {
  await setTarget(`circuit = 'probing', circuit_epoch = 2, failed_probes = 3`)
  expect(await record({}, { epoch: 2 })).toMatchObject({ state: 'ramping', epoch: 3 })
  expect(await target()).toMatchObject({ ramp_slots: 2, failed_probes: 3 })
  expect(await record({ calls: 2 }, { epoch: 3 })).toMatchObject({ state: 'closed', clean: true })
  expect(await target()).toMatchObject({ circuit: 'closed', failed_probes: 0, probe_at: null })
  const changes = await database.db
    .selectFrom('orderwheel.target_changes')
    .select('change')
    .execute()
  expect(changes.map(({ change }) => change)).toEqual(['circuit-ramping', 'circuit-closed'])
})
