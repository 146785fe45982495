import { afterEach, beforeEach, expect, test } from 'vitest'

import { type ClaimedDelivery, claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { decideSettlement, giveBack } from '#deliveries/decide-settlement.ts'
import { markAlone } from '#deliveries/mark-alone.ts'
import { refuseToCall } from '#deliveries/refuse-to-call.ts'
import { settleDeliveries } from '#deliveries/settle-deliveries.ts'
import { endJobs } from '#queues/jobs.ts'
import { delivered, tryAgain, type Outcome } from '#targets/outcome.ts'
import { targetDefaults } from '#targets/target.ts'

import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
beforeEach(async () => {
  shop = await openTestShop([testTarget('erp')])
  await shop.placeOrder()
  await shop.relay()
})
afterEach(() => shop.close())

async function claim(): Promise<ClaimedDelivery> {
  await shop.letTimePass()
  const [delivery] = await claimDeliveries(shop, { queue: 'erp', count: 1 })
  if (!delivery) throw new Error('nothing was due')
  return delivery
}

/** Its worker died: the job is taken back, and nobody wrote anything down. */
const lose = ({ job }: ClaimedDelivery) =>
  shop.db.transaction().execute(async (tx) => {
    const end = { kind: 'retry', afterSeconds: 0 } as const
    await endJobs(tx, shop.boss, { queue: 'erp', ends: [{ job, end }] })
  })

async function claimAndLose(times: number) {
  for (let n = 0; n < times; n += 1) await lose(await claim())
}

const mark = (delivery: ClaimedDelivery) =>
  markAlone(shop.db, { target: 'erp', worker: 'w', delivery })

const settle = (settlement: Parameters<typeof settleDeliveries>[2][number]) =>
  settleDeliveries({ ...shop, worker: 'w' }, 'erp', [settlement])

const end = (delivery: ClaimedDelivery, outcome: Outcome) =>
  settle(
    decideSettlement(targetDefaults, {
      delivery,
      end: { outcome, askFirst: false, durationMs: 1 },
      begunAt: performance.now(),
    }),
  )

async function row() {
  const { rows } = await shop.pool.query(
    `select state, attempts, lost_in_a_row as lost, ask_first as ask from orderwheel.deliveries`,
  )
  return rows[0] as { state: string; attempts: number; lost: number; ask: boolean }
}

test('workers that die with a delivery are counted, and forgotten when a call ends', async () => {
  await claimAndLose(1)
  const second = await claim()
  expect(second).toMatchObject({ lostInARow: 1, attempt: 2, afterAbandoned: true })
  expect(await row()).toMatchObject({ attempts: 1, lost: 1, ask: true })
  await end(second, tryAgain('busy'))
  expect(await row()).toMatchObject({ state: 'retrying', attempts: 2, lost: 0 })
})

test('a delivery given back without a call keeps what it is suspected of', async () => {
  await claimAndLose(1)
  await settle(giveBack(await claim()))
  expect(await claim()).toMatchObject({ lostInARow: 1, afterAbandoned: false, attempt: 2 })
})

test('a suspect whose worker died before it was called is none the worse for it', async () => {
  await claimAndLose(2)
  await claimAndLose(3)
  const suspect = await claim()
  expect(suspect).toMatchObject({ lostInARow: 2, attempt: 3, charged: 3, askFirst: true })
  expect(refuseToCall(testTarget('erp'), suspect)).toBeUndefined()
})

test('a suspect that was being called when its worker died is given up, and stays one when it is replayed', async () => {
  await claimAndLose(2)
  await claimAndLose(2)
  const suspect = await claim()
  expect(await mark(suspect)).toBe(true)
  expect(await row()).toMatchObject({ state: 'active', lost: 3 })
  await lose(suspect)
  const poison = await claim()
  expect(poison).toMatchObject({ lostInARow: 3, attempt: 4 })
  const refusal = refuseToCall(testTarget('erp'), poison)
  expect(refusal?.outcome.kind).toBe('give-up')
  if (!refusal) return
  await settle(
    decideSettlement(targetDefaults, {
      delivery: poison,
      end: refusal,
      begunAt: performance.now(),
    }),
  )
  expect(await row()).toMatchObject({ state: 'dead', attempts: 4, lost: 2 })

  const { messageId } = poison
  await decideDelivery(shop, {
    messageId,
    target: 'erp',
    decision: 'try-again',
    who: 'eva',
    reason: 'mended?',
  })
  const replayed = await claim()
  expect(replayed).toMatchObject({ lostInARow: 2, charged: 1 })
  expect(refuseToCall(testTarget('erp'), replayed)).toBeUndefined()
  await mark(replayed)
  await lose(replayed)
  const again = refuseToCall(testTarget('erp'), await claim())
  expect(again?.outcome.kind).toBe('give-up')
})

test('a suspect that was marked and not called after all is a suspect still, one that was called is none', async () => {
  await claimAndLose(2)
  const suspect = await claim()
  await mark(suspect)
  await settle(giveBack(suspect, 5))
  expect(await row()).toMatchObject({ state: 'retrying', lost: 2 })
  const again = await claim()
  await mark(again)
  await end(again, delivered())
  expect(await row()).toMatchObject({ state: 'delivered', lost: 0 })
})

test('a suspect that another worker has by now is not marked', async () => {
  await claimAndLose(2)
  const mine = await claim()
  await end(mine, tryAgain('busy'))
  expect(await mark(mine)).toBe(false)
})

test('where nobody may be told twice, a lost call is never repeated, however often workers die', async () => {
  await claimAndLose(4)
  const once = testTarget('erp', { idempotent: false })
  expect(refuseToCall(once, await claim())?.outcome.kind).toBe('uncertain')
})
