import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { type Lease, leaseSlots, releaseSlots } from '#limits/lease-slots.ts'
import { declareTargets } from '#status/declare-targets.ts'

import { eventually } from '../support/eventually.ts'
import { randomNumbers } from '../support/random-numbers.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await declareTargets(database.db, [testTarget('erp', { concurrency: 6 })])
})
afterEach(() => database.close())

function lease(
  worker: string,
  use: { inUse?: number; wanted?: number; heedCircuit?: boolean } = {},
) {
  const request = { inUse: 0, wanted: 20, heedCircuit: true, ...use }
  return leaseSlots(database.db, { target: 'erp', worker, ...request })
}

async function setTarget(values: string) {
  await sql`update orderwheel.targets set ${sql.raw(values)}`.execute(database.db)
}

async function changes() {
  const { rows } = await sql<{ change: string; who: string }>`
    select change, who from orderwheel.target_changes order by id`.execute(database.db)
  return rows
}

test('one worker gets all slots, the next one its part once the first has given it back', async () => {
  expect(await lease('a')).toEqual({ slots: 6, cap: 6, circuit: 'closed', epoch: 0 })
  expect(await lease('b')).toMatchObject({ slots: 0, cap: 0 })
  expect(await lease('a', { inUse: 6 })).toMatchObject({ slots: 6, cap: 3 })
  expect(await lease('a', { inUse: 4 })).toMatchObject({ slots: 4, cap: 3 })
  expect(await lease('b')).toMatchObject({ slots: 2, cap: 2 })
  expect(await lease('a', { inUse: 3 })).toMatchObject({ slots: 3, cap: 3 })
  expect(await lease('b', { inUse: 2 })).toMatchObject({ slots: 3, cap: 3 })
})

test('workers that ask at the same moment never hold more than there is', async () => {
  const random = randomNumbers(11)
  const held = new Map<string, Lease>()
  const worker = async (name: string) => {
    for (let i = 0; i < 25; i += 1) {
      const inUse = random((held.get(name)?.cap ?? 0) + 1)
      held.set(name, await lease(name, { inUse, wanted: inUse + random(6) }))
      const { rows } = await sql<{ sum: number }>`
        select sum(slots)::int as sum from orderwheel.slot_leases`.execute(database.db)
      expect(rows[0]?.sum).toBeLessThanOrEqual(6)
    }
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(worker))
})

test('slots that are given back are the others’ at once', async () => {
  await lease('a')
  await releaseSlots(database.db, { target: 'erp', worker: 'a' })
  expect(await lease('b')).toMatchObject({ slots: 6, cap: 6 })
})

test('what an operator set counts before the configuration', async () => {
  await setTarget('concurrency_set = 2')
  expect(await lease('a', { inUse: 5 })).toMatchObject({ slots: 5, cap: 2 })
})

test('a paused target has no slots, and has them again when the pause is over, which is written down', async () => {
  await setTarget(`paused_at = now(), pause_reason = 'x'`)
  expect(await lease('a')).toMatchObject({ slots: 0, cap: 0 })
  await setTarget(`paused_until = now() + interval '1 hour'`)
  expect(await lease('a')).toMatchObject({ slots: 0, cap: 0 })
  await setTarget(`paused_until = now() - interval '1 second'`)
  expect(await lease('a')).toMatchObject({ slots: 6, cap: 6 })
  expect(await lease('a')).toMatchObject({ slots: 6, cap: 6 })
  expect(await changes()).toEqual([{ change: 'resumed', who: 'a' }])
})

test('an open circuit has no slots before its time has come, and then one, for who asks first', async () => {
  await setTarget(`circuit = 'open', probe_at = now() + interval '1 minute'`)
  expect(await lease('a')).toMatchObject({ slots: 0, cap: 0, circuit: 'open' })
  await setTarget(`probe_at = now()`)
  expect(await lease('idle', { wanted: 0 })).toMatchObject({ slots: 0, circuit: 'open' })
  const answers = await Promise.all(['a', 'b', 'c'].map((name) => lease(name)))
  expect(answers.map(({ circuit, epoch }) => ({ circuit, epoch }))).toEqual(
    answers.map(() => ({ circuit: 'probing', epoch: 1 })),
  )
  expect(answers.reduce((sum, { slots }) => sum + slots, 0)).toBe(1)
  expect(await changes()).toHaveLength(1)
})

test('while a target is ramping up, all together have as many slots as the step allows', async () => {
  await setTarget(`circuit = 'ramping', ramp_slots = 4`)
  const answers = await Promise.all(['a', 'b', 'c'].map((name) => lease(name)))
  expect(answers.reduce((sum, { slots }) => sum + slots, 0)).toBe(4)
  await setTarget('ramp_slots = 64')
  await releaseSlots(database.db, { target: 'erp', worker: 'b' })
  await releaseSlots(database.db, { target: 'erp', worker: 'c' })
  expect(await lease('a')).toMatchObject({ slots: 6 })
})

test('a target without a circuit is not kept from by one', async () => {
  await setTarget(`circuit = 'open', probe_at = now() + interval '1 minute'`)
  expect(await lease('a', { heedCircuit: false })).toMatchObject({ slots: 6, cap: 6 })
})

test('a clock that was set back by a failover does not keep a circuit open for hours', async () => {
  const ahead = `now() + interval '3 hours'`
  await setTarget(`circuit = 'open', circuit_since = ${ahead}, probe_at = ${ahead}`)
  expect(await lease('a')).toMatchObject({ circuit: 'probing' })
})

test('who waits while another worker opens the circuit does not probe it at once', async () => {
  const { db } = database
  const waiting = await db.transaction().execute(async (tx) => {
    await sql`select from orderwheel.targets for update`.execute(tx)
    const asked = lease('a')
    await eventually(async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
      return rows.length === 1
    })
    // It opens later than the one who waits began to.
    await sql`update orderwheel.targets
                 set circuit = 'open', circuit_since = clock_timestamp(),
                     probe_at = clock_timestamp() + interval '5 seconds'`.execute(tx)
    return { asked }
  })
  expect(await waiting.asked).toMatchObject({ circuit: 'open', slots: 0 })
})

test('a target that nobody declared is named', async () => {
  await sql`delete from orderwheel.targets`.execute(database.db)
  await expect(lease('a')).rejects.toThrow('Target erp is not declared')
})
