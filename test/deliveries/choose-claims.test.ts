import { expect, onTestFinished, test } from 'vitest'

import { createClaimChooser } from '#deliveries/choose-claims.ts'
import { delivered, tryAgain } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { randomNumbers } from '../support/random-numbers.ts'
import { openTestShop, testTarget } from '../support/test-shop.ts'

/** A target whose calls end at random, and which always has so many first attempts and retries due. */
function playedTarget(slots: number, due: { first: number; retries: number }, seed = 1) {
  const random = randomNumbers(seed)
  const chooser = createClaimChooser()
  const held = { first: 0, retries: 0 }
  const claimed = { first: 0, retries: 0 }
  return {
    held,
    claimed,
    fill() {
      const room = slots - held.first - held.retries
      if (room === 0) return
      const retriesDue = due.retries > 0
      const plan = chooser.plan({
        room,
        slots,
        retriesHeld: held.retries,
        retriesDue,
        isTrial: false,
      })
      const now = { first: 0, retries: 0 }
      for (const { only, upTo } of plan.steps)
        now[only] += Math.min(upTo, room - now.first - now.retries, due[only] - now[only])
      chooser.claimed(now)
      for (const only of ['first', 'retries'] as const) {
        held[only] += now[only]
        claimed[only] += now[only]
      }
    },
    endOne() {
      const ends = random(held.first + held.retries) < held.first ? 'first' : 'retries'
      held[ends] -= 1
    },
  }
}

const endless = { first: 1_000, retries: 1_000 }

test.each([2, 3, 4, 8, 20, 1_000])(
  'of %i slots, retries never take the reserved quarter',
  (slots) => {
    const target = playedTarget(slots, { first: 0, retries: 5_000 })
    for (let step = 0; step < 2_000; step += 1) {
      target.fill()
      expect(slots - target.held.retries).toBeGreaterThanOrEqual(Math.max(1, Math.floor(slots / 4)))
      target.endOne()
    }
    target.fill()
    expect(target.held.retries).toBe(slots - Math.max(1, Math.floor(slots / 4)))
  },
)

test.each([1, 2, 4, 20])(
  'with %i slots, endless first attempts leave retries a quarter of the claims',
  (slots) => {
    const target = playedTarget(slots, endless)
    for (let step = 0; step < 4_000; step += 1) {
      target.fill()
      target.endOne()
    }
    const { first, retries } = target.claimed
    expect(retries / (first + retries)).toBeGreaterThan(0.2)
    expect(retries / (first + retries)).toBeLessThan(0.3)
  },
)

test('with one slot, every fourth claim or so is a retry', () => {
  const target = playedTarget(1, endless)
  for (let step = 0; step < 8; step += 1) {
    target.fill()
    if (step < 7) target.endOne()
  }
  expect(target.claimed.retries).toBeGreaterThanOrEqual(1)
  expect(target.claimed.retries).toBeLessThanOrEqual(2)
})

test('with one slot, retries alone use it', () => {
  const target = playedTarget(1, { first: 0, retries: 10 })
  target.fill()
  expect(target.held.retries).toBe(1)
})

test('first attempts alone use every slot', () => {
  const target = playedTarget(20, { first: 100, retries: 0 })
  target.fill()
  expect(target.held.first).toBe(20)
})

test('few first attempts leave retries the rest, up to their limit', () => {
  const target = playedTarget(20, { first: 3, retries: 100 })
  target.fill()
  expect(target.held).toEqual({ first: 3, retries: 15 })
})

test('retries that were held up for long do not take everything when they come', () => {
  const room = { room: 20, slots: 20, retriesHeld: 0, retriesDue: true, isTrial: false }
  const chooser = createClaimChooser()
  for (let claim = 0; claim < 1_000; claim += 1) chooser.claimed({ first: 20, retries: 0 })
  const { steps } = chooser.plan(room)
  expect(steps[0]).toEqual({ only: 'retries', upTo: 15 })
  chooser.claimed({ first: 5, retries: 15 })
  const [next] = chooser.plan(room).steps
  expect(next?.upTo).toBeLessThanOrEqual(5)
})

test('a target that is being tried out is not judged by what has failed before', () => {
  const chooser = createClaimChooser()
  for (let claim = 0; claim < 1_000; claim += 1) chooser.claimed({ first: 20, retries: 0 })
  const { steps } = chooser.plan({
    room: 1,
    slots: 1,
    retriesHeld: 0,
    retriesDue: true,
    isTrial: true,
  })
  expect(steps).toEqual([
    { only: 'first', upTo: 1 },
    { only: 'retries', upTo: 1 },
  ])
})

test('a worker goes on with retries as soon as one ends, not when it looks around next', async () => {
  let isBroken = true
  const call = async () => (isBroken ? tryAgain('answered 500') : delivered())
  const shop = await openTestShop([testTarget('erp', { concurrency: 2, circuit: null, call })])
  onTestFinished(() => shop.close())
  for (let i = 0; i < 60; i += 1) await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(20_000))
  isBroken = false
  await shop.letTimePass()
  // One at a time: a look around each second would take a minute.
  await eventually(async () => {
    const open = await shop.db
      .selectFrom('orderwheel.deliveries')
      .select('message_id')
      .where('settled_at', 'is', null)
      .execute()
    return open.length === 0
  })
})
