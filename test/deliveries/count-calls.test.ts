import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import type { ClaimedDelivery } from '#deliveries/claim-deliveries.ts'
import { createCircuitView } from '#deliveries/circuit-view.ts'
import { type CountedCall, countCalls } from '#deliveries/count-calls.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { delivered, giveUp, type Outcome, tryAgain, uncertain } from '#targets/outcome.ts'
import type { Target } from '#targets/target.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'
import { testTarget } from '../support/test-shop.ts'

let database: TestDatabase
let told: string[]
beforeEach(async () => {
  told = []
  database = await testDatabase()
  await declareTargets(database.db, [testTarget('erp')])
})
afterEach(() => database.close())

function view() {
  const known = createCircuitView()
  known.learn({ circuit: 'closed', epoch: 0, clean: true })
  return known
}

function ended(
  outcome: CountedCall['end']['outcome'],
  more: Partial<CountedCall> = {},
): CountedCall {
  const end = { outcome, askFirst: false, durationMs: 1 }
  const call = { delivery, end, begunAt: 0, epoch: 0, isProbe: false }
  return { ...call, wasCalled: true, ...more }
}

async function count(
  known: ReturnType<typeof view>,
  calls: CountedCall[],
  erp: Target = testTarget('erp'),
) {
  const log = createLog('test', 'silent')
  const targetChanged = (name: string) => told.push(name)
  await countCalls(erp, { db: database.db, worker: 'a', log, targetChanged }, known, calls)
  return calls.map(({ duringOutage }) => duringOutage)
}

// Whose it is makes no difference.
const delivery: ClaimedDelivery = {
  job: { id: 'j', retryCount: 0 },
  attempt: 1,
  charged: 1,
  afterAbandoned: false,
  lostInARow: 0,
  askFirst: false,
  awaited: false,
  orderId: 'o',
  messageId: 'm',
  kind: 'order.placed',
}

const target = () =>
  database.db.selectFrom('orderwheel.targets').selectAll().executeTakeFirstOrThrow()

const failed = (): Outcome => tryAgain('answered 503')

test('failures that open the circuit cost no attempt, those before it do', async () => {
  const known = view()
  expect(await count(known, [ended(failed()), ended(failed())])).toEqual([undefined, undefined])
  const opening = await count(known, [ended(failed()), ended(failed()), ended(failed())])
  expect(opening).toEqual(Array.from({ length: 3 }, () => ({ probeInSeconds: 5 })))
  expect(known).toMatchObject({ circuit: 'open', epoch: 1 })
  expect(told).toEqual(['erp'])
})

test('a call that fails after the circuit opened costs no attempt either', async () => {
  const known = view()
  await count(
    known,
    Array.from({ length: 5 }, () => ended(failed())),
  )
  await sql`update orderwheel.targets set probe_at = now() + interval '40 seconds'`.execute(
    database.db,
  )
  const [late] = await count(known, [ended(failed())])
  expect(late?.probeInSeconds).toBeGreaterThan(30)
})

test('a failed probe goes behind those that wait for the next one', async () => {
  const known = view()
  await sql`update orderwheel.targets set circuit = 'probing', circuit_epoch = 2`.execute(
    database.db,
  )
  known.learn({ circuit: 'probing', epoch: 2 })
  const [probe] = await count(known, [ended(failed(), { epoch: 2, isProbe: true })])
  expect(probe).toEqual({ probeInSeconds: 11 })
})

test('who makes a target ask for a pause pays for it, those that came into the pause do not', async () => {
  const known = view()
  const asked = tryAgain('answered 429', { notBeforeSeconds: 600 })
  expect(await count(known, [ended(asked), ended(failed())])).toEqual([
    undefined,
    { probeInSeconds: 600 },
  ])
  const [later] = await count(known, [ended(asked)])
  expect(later?.probeInSeconds).toBeGreaterThan(590)
})

test('no answer counts as a failure; a refusal of one order is an answer', async () => {
  const known = view()
  await count(
    known,
    Array.from({ length: 4 }, () => ended(uncertain('no answer'))),
  )
  expect(await target()).toMatchObject({ failed_in_a_row: 4 })
  await count(known, [ended(giveUp('answered 422'))])
  expect(await target()).toMatchObject({ failed_in_a_row: 0 })
})

test('what was not called, or handed back at a stop, says nothing', async () => {
  const known = view()
  await count(known, [
    ...Array.from({ length: 9 }, () => ended(failed(), { wasCalled: false })),
    ended({ kind: 'handed-back', reason: 'The worker stopped.' }),
  ])
  expect(await target()).toMatchObject({ failed_in_a_row: 0, window_calls: 0, circuit: 'closed' })
})

test('successes of a healthy target cost no query', async () => {
  const known = view()
  await database.db.transaction().execute(async (tx) => {
    // Whoever asked would wait for ever.
    await sql`lock table orderwheel.targets in access exclusive mode`.execute(tx)
    await count(known, [ended(delivered()), ended(delivered())])
  })
  expect(known.clean).toBe(true)
})

test('a target without a circuit counts nothing', async () => {
  const calls = Array.from({ length: 9 }, () => ended(failed()))
  const charged = await count(view(), calls, testTarget('erp', { circuit: null }))
  expect(charged).toEqual(calls.map(() => undefined))
  expect(await target()).toMatchObject({ failed_in_a_row: 0, circuit: 'closed' })
})
