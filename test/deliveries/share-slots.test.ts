import { expect, test } from 'vitest'

import { type Applicant, shareSlots } from '#deliveries/share-slots.ts'

import { randomNumbers } from '../support/random-numbers.ts'

type Played = Applicant & { held: number; woken: number }

function applicant(priority: Applicant['priority']): Played {
  const made: Played = { priority, held: 0, woken: 0, wake: () => (made.woken += 1) }
  return made
}

function play(total: number) {
  const slots = shareSlots(total)
  return {
    leave: (of: Played) => slots.leave(of),
    take: (of: Played, count: number) => {
      const taken = slots.take(of, count)
      of.held += taken
      return taken
    },
    giveBack: (of: Played, count: number) => {
      of.held -= count
      slots.giveBack(of, count)
    },
  }
}

test('anybody gets what nobody else waits for', () => {
  const { take } = play(100)
  expect(take(applicant('low'), 60)).toBe(60)
  expect(take(applicant('normal'), 60)).toBe(40)
  expect(take(applicant('high'), 1)).toBe(0)
})

test('who was refused is woken when there may be more', () => {
  const { take, giveBack } = play(10)
  const [low, high] = [applicant('low'), applicant('high')]
  take(low, 10)
  take(high, 5)
  giveBack(low, 1)
  expect(high.woken).toBe(1)
  expect(take(high, 1)).toBe(1)
  giveBack(low, 1)
  expect(high.woken).toBe(1)
})

test('high goes before normal and normal before low, and low keeps its share', () => {
  const { take, giveBack } = play(100)
  const all = [applicant('low'), applicant('normal'), applicant('high')]
  const random = randomNumbers(7)
  for (const one of all) take(one, 100)
  for (let step = 0; step < 2_000; step += 1) {
    const ends = all[random(3)]
    if (ends && ends.held > 0) giveBack(ends, 1)
    // Who asks first makes no difference.
    const first = random(3)
    for (let i = 0; i < 3; i += 1) {
      const one = all[(first + i) % 3]
      if (one) take(one, 100)
    }
    expect(all.reduce((sum, { held }) => sum + held, 0)).toBeLessThanOrEqual(100)
  }
  expect(all.map(({ held }) => held)).toEqual([10, 20, 70])
})

test('high calls that never end cost low ones no more than what is beyond their share', () => {
  const { take, giveBack } = play(100)
  const [high, low] = [applicant('high'), applicant('low')]
  take(low, 5)
  take(high, 1_000)
  expect(take(low, 1_000)).toBe(0)
  for (let ended = 0; ended < 50; ended += 1) {
    giveBack(high, 1)
    take(low, 1_000)
    take(high, 1_000)
  }
  expect(low.held).toBe(10)
  expect(high.held).toBe(90)
})

test('who has nothing to call for any more is not waited for', () => {
  const { leave, take, giveBack } = play(10)
  const [high, low] = [applicant('high'), applicant('low')]
  take(high, 10)
  take(high, 5)
  giveBack(high, 10)
  expect(take(low, 10)).toBe(1)
  leave(high)
  expect(take(low, 9)).toBe(9)
})

test('however slots are taken and given back, none is lost and none is made', () => {
  const total = 30
  const { leave, take, giveBack } = play(total)
  const all = (['high', 'normal', 'low', 'low', 'normal'] as const).map(applicant)
  const random = randomNumbers(3)
  for (let step = 0; step < 5_000; step += 1) {
    const one = all[random(all.length)]
    if (!one) continue
    const what = random(3)
    if (what === 0) giveBack(one, random(one.held + 1))
    if (what === 1) leave(one)
    const wanted = what === 2 ? random(40) : 0
    const taken = take(one, wanted)
    expect(taken).toBeGreaterThanOrEqual(0)
    expect(taken).toBeLessThanOrEqual(wanted)
    const held = all.reduce((sum, each) => sum + each.held, 0)
    expect(held).toBeLessThanOrEqual(total)
  }
  for (const one of all) {
    leave(one)
    giveBack(one, one.held)
  }
  expect(take(applicant('low'), 1_000)).toBe(total)
})
