import type { KyselyPlugin } from 'kysely'
import { test } from 'vitest'

import type { Db } from '#database/open-database.ts'
import { leaseSlots } from '#limits/lease-slots.ts'
import { recordCalls } from '#limits/record-calls.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { circuitDefaults } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { testDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

const one = { target: 'erp', worker: 'frozen' }
const ended = { calls: 1, failed: 1, failedInARow: 1, reason: null }

test.concurrent.for([
  [
    'renews its lease',
    (db: Db) => leaseSlots(db, { ...one, inUse: 0, wanted: 1, heedCircuit: true }),
  ],
  [
    'tells the circuit',
    (db: Db) => recordCalls(db, { ...one, options: circuitDefaults, epoch: 0, ended }),
  ],
] as [string, (db: Db) => Promise<unknown>][])(
  'a worker that freezes while it %s lets go of the target before leases end',
  async ([, work], { expect: expectHere }) => {
    await using stack = new AsyncDisposableStack()
    const database = await testDatabase()
    stack.defer(() => database.close())
    const { db, pool } = database
    await declareTargets(db, [testTarget('erp')])
    const frozen = Promise.withResolvers<void>()
    stack.defer(() => frozen.resolve())
    const working = work(db.withPlugin(freezeOnAnswer(frozen.promise)))
    const failing = expectHere(working).rejects.toThrow()
    const isLocked = async () => {
      const locked = await pool.query('select from orderwheel.targets for update skip locked')
      return locked.rowCount === 0
    }
    await eventually(isLocked)
    await eventually(async () => !(await isLocked()), { withinSeconds: 9 })
    frozen.resolve()
    await failing
  },
)

function freezeOnAnswer(thaw: Promise<void>): KyselyPlugin {
  return {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await thaw
      return result
    },
  }
}
