import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { delivered, type Outcome, tryAgain, uncertain } from '#targets/outcome.ts'
import type { LookedUp, Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

/** A letter service that is called with these outcomes, and asked with these answers; both repeat the last. */
async function openShop(
  outcomes: Outcome[],
  { lookups, ...options }: Partial<Target> & { lookups?: LookedUp[] } = {},
) {
  const heard: string[] = []
  const inTurn = <T>(list: readonly T[], kind: string): T | undefined => {
    const times = heard.filter((one) => one === kind).length
    heard.push(kind)
    return list[Math.min(times, list.length - 1)]
  }
  const lookup = async () => inTurn(lookups ?? [], 'asked') ?? ({ kind: 'unknown' } as const)
  const letters = testTarget('letters', {
    idempotent: false,
    circuit: null,
    call: async () => inTurn(outcomes, 'called') ?? delivered(),
    ...(lookups && { lookup }),
    ...options,
  })
  shop = await openTestShop([letters])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  return { heard, orderId }
}

async function becomes(orderId: string, state: string): Promise<void> {
  await eventually(async () => {
    await shop.letTimePass()
    return (await shop.deliveries(orderId))['letters'] === state
  })
}

/** Everything that could be called or asked again has been. */
async function settleDown(): Promise<void> {
  await shop.letTimePass()
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
}

const outcomes = async (orderId: string) =>
  (await shop.attempts(orderId)).map(({ outcome }) => outcome)

const unanswered = uncertain('sent, no answer')

test('sent and not answered: a person decides, it is never sent again', async () => {
  const { heard, orderId } = await openShop([unanswered])
  shop.startWorker()
  await becomes(orderId, 'uncertain')
  await settleDown()
  expect(heard).toEqual(['called'])
})

test('not sent at all: it is simply tried again', async () => {
  const { heard, orderId } = await openShop([tryAgain('cannot connect'), delivered()])
  shop.startWorker()
  await becomes(orderId, 'delivered')
  expect(heard).toEqual(['called', 'called'])
})

test('no answer within the deadline: a person decides, although the target ignores its signal', async () => {
  let calls = 0
  const { orderId } = await openShop([], {
    timeoutSeconds: 0.1,
    call: () => {
      calls += 1
      return new Promise(() => {})
    },
  })
  shop.startWorker()
  await becomes(orderId, 'uncertain')
  await settleDown()
  expect(calls).toBe(1)
})

/** Calls that only a signal ends, and how many of them there were. */
function untilStopped(): { call: Target['call']; calls: () => number } {
  let calls = 0
  const call: Target['call'] = async ({ signal }) => {
    calls += 1
    if (calls > 1) return delivered()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    return unanswered
  }
  return { call, calls: () => calls }
}

test('the worker is stopped in the middle of the call: a person decides', async () => {
  const { call, calls } = untilStopped()
  const { orderId } = await openShop([], { call })
  const worker = shop.startWorker({ stopSeconds: 2.1 })
  await eventually(() => calls() === 1)
  await worker.stop()
  expect(await shop.deliveries(orderId)).toEqual({ letters: 'uncertain' })
  await settleDown()
  expect(calls()).toBe(1)
})

test('the same where the target can be asked: it is asked by the next worker, and the stop costs nothing', async () => {
  const { call, calls } = untilStopped()
  const lookup = async () => ({ kind: 'known' }) as const
  const retry = { attempts: 1, delaySeconds: 600, maxDelaySeconds: 600 }
  const { orderId } = await openShop([], { call, lookup, retry })
  const worker = shop.startWorker({ stopSeconds: 2.1 })
  await eventually(() => calls() === 1)
  await worker.stop()
  expect(await outcomes(orderId)).toEqual(['handed-back'])
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
  expect(await shop.deliveries(orderId)).toEqual({ letters: 'delivered' })
  expect(calls()).toBe(1)
})

test('calls that a stop cut short say nothing about the target: its circuit stays closed', async () => {
  let calls = 0
  const call: Target['call'] = async ({ signal }) => {
    calls += 1
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    return unanswered
  }
  const circuit = { ...testTarget('any').circuit, failuresInARow: 3 } as Target['circuit']
  await openShop([], { call, circuit })
  for (let n = 0; n < 9; n += 1) await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker({ stopSeconds: 2.1 })
  await eventually(() => calls === 10)
  await worker.stop()
  const { rows } = await sql`select circuit, failed_in_a_row from orderwheel.targets`.execute(
    shop.db,
  )
  expect(rows).toEqual([{ circuit: 'closed', failed_in_a_row: 0 }])
})

/** As a worker that takes a delivery and dies. */
async function takeAndDie(): Promise<void> {
  const { db, boss } = shop
  await claimDeliveries({ db, boss }, { queue: 'letters', count: 1 })
  await sql`update pgboss.job set state = 'retry', start_after = now() where state = 'active'`.execute(
    db,
  )
}

test('the worker died in the middle of the call: a person decides', async () => {
  const { heard, orderId } = await openShop([delivered()])
  await takeAndDie()
  shop.startWorker()
  await becomes(orderId, 'uncertain')
  await settleDown()
  expect(heard).toEqual([])
})

test('the worker died, and the target can be asked: it is called only if it says no', async () => {
  const { heard, orderId } = await openShop([delivered()], {
    lookups: [{ kind: 'unknown' }],
  })
  await takeAndDie()
  shop.startWorker()
  await becomes(orderId, 'delivered')
  expect(heard).toEqual(['asked', 'called'])
  expect(await outcomes(orderId)).toEqual(['abandoned', 'delivered'])
})

test('workers died as often as there are attempts: nobody knows, so it is uncertain and not dead', async () => {
  const retry = { attempts: 2, delaySeconds: 1, maxDelaySeconds: 1 }
  const { heard, orderId } = await openShop([delivered()], {
    lookups: [{ kind: 'unknown' }],
    retry,
  })
  await takeAndDie()
  await takeAndDie()
  shop.startWorker()
  await becomes(orderId, 'uncertain')
  expect(heard).toEqual([])
})

test('asked and known: delivered without calling again', async () => {
  const { heard, orderId } = await openShop([unanswered], {
    lookups: [{ kind: 'known', answer: { status: 200, text: 'letter 17' } }],
  })
  shop.startWorker()
  await becomes(orderId, 'delivered')
  expect(heard).toEqual(['called', 'asked'])
  expect((await shop.attempts(orderId)).at(-1)?.answer).toEqual({ status: 200, text: 'letter 17' })
})

test('asked and unknown: called again', async () => {
  const { heard, orderId } = await openShop([unanswered, delivered()], {
    lookups: [{ kind: 'unknown' }],
  })
  shop.startWorker()
  await becomes(orderId, 'delivered')
  expect(heard).toEqual(['called', 'asked', 'called'])
})

test('asked without an answer: asked again later, and in the end uncertain, not dead', async () => {
  const retry = { attempts: 4, delaySeconds: 1, maxDelaySeconds: 1 }
  const { heard, orderId } = await openShop([unanswered], {
    lookups: [{ kind: 'no-answer', reason: 'cannot be asked' }],
    retry,
  })
  shop.startWorker()
  await becomes(orderId, 'uncertain')
  await settleDown()
  expect(heard).toEqual(['called', 'asked', 'asked', 'asked'])
  expect((await shop.attempts(orderId)).at(-1)?.reason).toBe('cannot be asked')
  const letters = await shop.db.selectFrom('orderwheel.dead_letters').selectAll().execute()
  expect(letters).toEqual([])
})

test('asked without an answer, then unknown: the calls that follow are few, and each is asked for first', async () => {
  const { heard, orderId } = await openShop([unanswered, unanswered, delivered()], {
    lookups: [{ kind: 'no-answer', reason: 'cannot be asked' }, { kind: 'unknown' }],
  })
  shop.startWorker()
  await becomes(orderId, 'delivered')
  expect(heard).toEqual(['called', 'asked', 'asked', 'called', 'asked', 'called'])
})

test('an idempotent target that can be asked is asked as well, after an attempt that may have reached it', async () => {
  const { heard, orderId } = await openShop([tryAgain('503'), unanswered], {
    idempotent: true,
    lookups: [{ kind: 'known' }],
  })
  shop.startWorker()
  await becomes(orderId, 'delivered')
  // After a refusal there is nothing to ask.
  expect(heard).toEqual(['called', 'called', 'asked'])
})
