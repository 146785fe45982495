import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { readChanges } from '#limits/read-changes.ts'
import { leasedSlots, readLimits } from '#limits/read-limits.ts'
import { type LimitsRequest, setLimits } from '#limits/set-limits.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { targetDefaults } from '#targets/target.ts'

import { actAtOnce } from '../support/act-at-once.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

const erp = { ...targetDefaults, name: 'erp', kind: 'http' as const }

beforeEach(async () => {
  await database.pool.query(
    `truncate orderwheel.target_changes, orderwheel.audit_log, orderwheel.targets cascade`,
  )
  await declareTargets(database.db, [{ ...erp, rate: { max: 100, perSeconds: 60 } }])
})

test('what an operator sets counts instead of the configuration, and is written down', async () => {
  const set = await setLimits(database.db, {
    ...by('eva', 'the ERP groans'),
    concurrency: 5,
    rate: { max: 10, perSeconds: 0.5 },
  })

  const words =
    'concurrency 20 (the configuration’s) → 5, rate 100 in 60 s (the configuration’s) → 10 in 0.5 s'
  expect(set).toMatchObject({ kind: 'set', words })
  expect(await limits()).toMatchObject({
    concurrency: 5,
    concurrencySet: true,
    rate: { max: 10, perSeconds: 0.5 },
    rateSet: true,
    configured: { concurrency: 20, rate: { max: 100, perSeconds: 60 } },
  })
  expect(await readChanges(database.db, 'erp')).toEqual([
    {
      at: expect.any(Date),
      change: 'limits-set',
      who: 'eva',
      reason: `${words} (the ERP groans)`,
    },
  ])
  const { rows } = await database.pool.query(
    `select who, action, subject, reason, details->'after'->>'concurrency' as after
       from orderwheel.audit_log`,
  )
  expect(rows).toEqual([
    {
      who: 'eva',
      action: 'target.limits-set',
      subject: 'erp',
      reason: 'the ERP groans',
      after: '5',
    },
  ])
})

test('a process that starts declares its configuration and leaves alone what an operator set', async () => {
  await setLimits(database.db, { ...by('eva'), concurrency: 5, rate: 'none' })
  await declareTargets(database.db, [
    { ...erp, concurrency: 40, priority: 'high', rate: { max: 7, perSeconds: 1 } },
  ])

  expect(await limits()).toMatchObject({
    concurrency: 5,
    rate: null,
    priority: 'high',
    configured: { concurrency: 40, rate: { max: 7, perSeconds: 1 } },
  })

  await setLimits(database.db, { ...by('eva'), concurrency: 'default', rate: 'default' })
  expect(await limits()).toMatchObject({
    concurrency: 40,
    concurrencySet: false,
    rate: { max: 7, perSeconds: 1 },
    rateSet: false,
  })

  await declareTargets(database.db, [erp])
  expect(await limits()).toMatchObject({ concurrency: 20, priority: 'normal', rate: null })
})

test('setting one limit leaves the other; setting what is set already changes nothing', async () => {
  await setLimits(database.db, { ...by('eva'), rate: { max: 1, perSeconds: 1 } })
  await setLimits(database.db, { ...by('eva'), concurrency: 3 })

  expect(await limits()).toMatchObject({ concurrency: 3, rate: { max: 1, perSeconds: 1 } })
  expect(await setLimits(database.db, { ...by('tom'), concurrency: 3 })).toMatchObject({
    kind: 'unchanged',
  })
  expect(await readChanges(database.db, 'erp')).toHaveLength(2)
})

test('two operators who set different limits at once both have their way', async () => {
  await actAtOnce(database, {
    lock: `select from orderwheel.targets where name = 'erp' for update`,
    acts: [
      () => setLimits(database.db, { ...by('eva'), concurrency: 3 }),
      () => setLimits(database.db, { ...by('tom'), rate: { max: 1, perSeconds: 1 } }),
    ],
  })

  expect(await limits()).toMatchObject({ concurrency: 3, rate: { max: 1, perSeconds: 1 } })
})

test('a target nobody declared has no limits', async () => {
  expect(await setLimits(database.db, { ...by('eva'), target: 'epr', concurrency: 3 })).toEqual({
    kind: 'unknown-target',
  })
})

test('the slots of workers that are silent no longer count', async () => {
  await database.pool.query(`
    insert into orderwheel.slot_leases (target, worker, slots, wanted, renewed_at)
    values ('erp', 'one', 3, 3, now()), ('erp', 'two', 4, 4, now()), ('erp', 'lost', 9, 9, now() - interval '11 s')`)

  expect(await leasedSlots(database.db, 'erp')).toBe(7)
  expect(await limits()).toMatchObject({ slotsInUse: 7 })
})

test('a circuit that is open when the configuration takes it out is closed, which is written down', async () => {
  await database.pool.query(
    `update orderwheel.targets
        set circuit = 'open', circuit_epoch = 4, probe_at = now(), failed_probes = 2, failed_in_a_row = 5`,
  )
  await declareTargets(database.db, [erp])
  expect((await limits())?.circuit).toMatchObject({ state: 'open' })

  await declareTargets(database.db, [{ ...erp, circuit: null }])
  await declareTargets(database.db, [{ ...erp, circuit: null }])

  const reason = 'the configuration says that it has no circuit'
  expect((await limits())?.circuit).toMatchObject({ state: 'closed', probeAt: null })
  expect(await readChanges(database.db, 'erp')).toMatchObject([
    { change: 'circuit-closed', who: 'the configuration', reason },
  ])
  const { rows } = await database.pool.query(
    `select circuit_epoch as epoch, failed_probes, failed_in_a_row from orderwheel.targets`,
  )
  expect(rows).toEqual([{ epoch: '5', failed_probes: 0, failed_in_a_row: 0 }])
})

function by(who: string, reason: string | null = null): LimitsRequest {
  return { target: 'erp', who, reason }
}

async function limits() {
  return (await readLimits(database.db)).targets.find(({ target }) => target === 'erp')
}
