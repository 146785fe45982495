import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { leaseSlots } from '#limits/lease-slots.ts'
import { reapLeases } from '#limits/reap-leases.ts'
import { declareTargets } from '#status/declare-targets.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await declareTargets(database.db, [testTarget('erp', { concurrency: 6 })])
})
afterEach(() => database.close())

const lease = (worker: string) =>
  leaseSlots(database.db, { target: 'erp', worker, inUse: 0, wanted: 6, heedCircuit: true })

test('slots of a worker that has been silent for ten seconds are the others’', async () => {
  await lease('silent')
  await sql`update orderwheel.slot_leases set renewed_at = now() - interval '11 seconds'`.execute(
    database.db,
  )
  expect(await lease('alive')).toMatchObject({ slots: 0 })
  expect(await reapLeases(database.db, 10)).toEqual([{ target: 'erp', worker: 'silent' }])
  expect(await lease('alive')).toMatchObject({ slots: 6 })
})

test('a worker that says that it is alive keeps its slots', async () => {
  await lease('alive')
  await sql`update orderwheel.slot_leases set renewed_at = now() - interval '11 seconds'`.execute(
    database.db,
  )
  await lease('alive')
  expect(await reapLeases(database.db, 10)).toEqual([])
  expect(await lease('other')).toMatchObject({ slots: 0 })
})

test('a worker whose last sign of life is from the future, because the clock was set back, is silent', async () => {
  await lease('silent')
  await sql`update orderwheel.slot_leases set renewed_at = now() + interval '5 seconds'`.execute(
    database.db,
  )
  expect(await reapLeases(database.db, 10)).toEqual([])
  await sql`update orderwheel.slot_leases set renewed_at = now() + interval '1 hour'`.execute(
    database.db,
  )
  expect(await reapLeases(database.db, 10)).toEqual([{ target: 'erp', worker: 'silent' }])
})
