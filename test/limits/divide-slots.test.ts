import { expect, test } from 'vitest'

import { divideSlots } from '#limits/divide-slots.ts'

import { randomNumbers } from '../support/random-numbers.ts'

test('a worker alone gets what it wants, up to the limit', () => {
  expect(divideSlots(5, { inUse: 0, wanted: 3 }, [])).toEqual({ slots: 3, cap: 3 })
  expect(divideSlots(5, { inUse: 0, wanted: 9 }, [])).toEqual({ slots: 5, cap: 5 })
})

test('a worker that finds all slots taken may make no call', () => {
  const others = [{ slots: 5, wanted: 5 }]
  expect(divideSlots(5, { inUse: 0, wanted: 5 }, others)).toEqual({ slots: 0, cap: 0 })
})

test('a worker with more than its part gives back what a starved one is entitled to, as calls end', () => {
  const others = [{ slots: 0, wanted: 5 }]
  expect(divideSlots(5, { inUse: 5, wanted: 5 }, others)).toEqual({ slots: 5, cap: 2 })
  expect(divideSlots(5, { inUse: 2, wanted: 5 }, others)).toEqual({ slots: 2, cap: 2 })
})

test('nobody gives back what nobody wants', () => {
  expect(divideSlots(5, { inUse: 4, wanted: 5 }, [{ slots: 1, wanted: 1 }])).toEqual({
    slots: 4,
    cap: 4,
  })
})

test('after the limit was lowered nothing new begins above it', () => {
  expect(divideSlots(2, { inUse: 5, wanted: 5 }, [])).toEqual({ slots: 5, cap: 2 })
  expect(divideSlots(0, { inUse: 5, wanted: 5 }, [])).toEqual({ slots: 5, cap: 0 })
})

// Each seed is another story.
const seeds = Array.from({ length: 300 }, (_, seed) => seed)

test('however workers come, go and ask, no call begins above the limit', () => {
  const broken: string[] = []
  for (const seed of seeds) {
    const shop = playedShop(seed)
    for (let step = 0; step < 200; step += 1) {
      if (shop.random(20) === 0) shop.allowed = shop.random(12)
      shop.change()
      const before = shop.inUse()
      const begun = shop.ask()
      const isFine = begun === 0 || before + begun <= shop.allowed
      const holdsWhatItUses = shop.workers.every(({ slots, inUse }) => slots >= inUse)
      if (!isFine || !holdsWhatItUses) broken.push(shop.describe(seed))
    }
  }
  expect(broken).toEqual([])
})

test('while the limit stays, the leases together never exceed it', () => {
  const broken: string[] = []
  for (const seed of seeds) {
    const shop = playedShop(seed)
    for (let step = 0; step < 200; step += 1) {
      shop.change()
      shop.ask()
      if (shop.leased() > shop.allowed) broken.push(shop.describe(seed))
    }
  }
  expect(broken).toEqual([])
})

test('once all have asked a few times, nobody starves, and every slot that somebody wants is used', () => {
  const broken: string[] = []
  for (const seed of seeds) {
    const shop = playedShop(seed)
    for (let step = 0; step < 50; step += 1) {
      shop.change()
      shop.ask()
    }
    for (let round = 0; round < 4; round += 1) {
      for (const worker of shop.workers) {
        // Calls end between two questions.
        worker.inUse = Math.min(worker.inUse, worker.cap)
        shop.ask(worker)
      }
    }
    const wanted = shop.workers.reduce((sum, worker) => sum + worker.wanted, 0)
    const wanting = shop.workers.filter((worker) => worker.wanted > 0).length
    const entitled = Math.floor(shop.allowed / Math.max(1, wanting))
    const isFair = shop.workers.every((w) => w.inUse >= Math.min(w.wanted, entitled))
    const isUsed = shop.inUse() === Math.min(wanted, shop.allowed)
    if (!isFair || !isUsed) broken.push(shop.describe(seed))
  }
  expect(broken).toEqual([])
})

type PlayedWorker = { slots: number; wanted: number; inUse: number; cap: number }

/** Workers that ask in any order; each uses at once all that it is given. */
function playedShop(seed: number) {
  const random = randomNumbers(seed)
  const workers: PlayedWorker[] = Array.from({ length: 1 + random(5) }, () => ({
    slots: 0,
    wanted: 0,
    inUse: 0,
    cap: 0,
  }))
  const pick = () => workers[random(workers.length)] ?? { slots: 0, wanted: 0, inUse: 0, cap: 0 }
  return {
    random,
    workers,
    allowed: 1 + random(12),
    inUse: () => workers.reduce((sum, worker) => sum + worker.inUse, 0),
    describe(seed: number) {
      return JSON.stringify({ seed, allowed: this.allowed, workers })
    },
    leased: () => workers.reduce((sum, worker) => sum + worker.slots, 0),
    /** Some calls end, and a worker finds that it could make more, or fewer. */
    change() {
      const worker = pick()
      worker.inUse -= random(worker.inUse + 1)
      worker.wanted = worker.inUse + random(14)
    },
    /** Answers how many calls it begins. */
    ask(worker = pick()): number {
      const others = workers.filter((other) => other !== worker)
      const { slots, cap } = divideSlots(this.allowed, worker, others)
      const begun = Math.max(0, Math.min(cap, worker.wanted) - worker.inUse)
      Object.assign(worker, { slots, cap, inUse: worker.inUse + begun })
      return begun
    },
  }
}
