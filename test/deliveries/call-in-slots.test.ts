import { expect, test } from 'vitest'

import { besideOrAlone } from '#deliveries/beside-or-alone.ts'
import { type ClaimedTurn, callInSlots } from '#deliveries/call-in-slots.ts'
import { createCircuitView } from '#deliveries/circuit-view.ts'
import { countShortCalls } from '#deliveries/count-short-calls.ts'
import type { Ended } from '#deliveries/settle-loop.ts'
import type { Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { testTarget } from '../support/test-shop.ts'

/** Calls of a target in so many slots; the target's answers are the test's. */
function openSlots(slots: number, options: Partial<Target> = {}, gate = besideOrAlone()) {
  const held = heldCalls()
  const told: string[] = []
  const settled: Ended[] = []
  const unsettled: Ended[] = []
  const marked: string[] = []
  const circuit = createCircuitView()
  const state = { slots, resting: false, until: Infinity as number | undefined, maySuspect: true }
  const target = testTarget('erp', {
    ...options,
    call: async ({ message }) => {
      told.push(message.id)
      return held.call()
    },
  })
  const calls = callInSlots(target, {
    circuit,
    settling: {
      add: (ended) => {
        settled.push(ended)
        unsettled.push(ended)
      },
      unsettled: () => unsettled,
    },
    gate,
    markAlone: async ({ delivery }) => {
      marked.push(delivery.messageId)
      return state.maySuspect
    },
    takeSlot: () => calls.inSlots() < state.slots,
    slotFreed: () => calls.callKept(),
    waitForTurn: async () => state.until,
    isResting: () => state.resting,
    mayBegin: (begun) => begun < state.slots,
  })
  const commit = () => {
    unsettled.length = 0
    calls.settled()
  }
  return { calls, held, told, settled, marked, circuit, state, commit }
}

function claimed(id: string, lostInARow = 0): ClaimedTurn {
  const delivery = {
    job: { id, retryCount: 0 },
    attempt: 1,
    charged: 1,
    afterAbandoned: lostInARow > 0,
    lostInARow,
    askFirst: false,
    awaited: false,
    orderId: 'order',
    messageId: id,
    kind: 'order.placed',
    told: {
      document: '{}',
      receivedAt: 0,
      payload: null,
      createdAt: 0,
      edited: null,
      answers: null,
      file: async () => undefined,
      standing: async () => ({
        isCancelled: false,
        untold: [],
        others: [],
        isReplayed: false,
        told: [],
      }),
    },
  }
  return { claimed: { delivery, keptAt: performance.now(), isRetry: false, epoch: 0 } }
}

const five = ['a', 'b', 'c', 'd', 'e']

test('what is claimed ahead is called in its order, as slots become free', async () => {
  const { calls, held, told } = openSlots(2)
  expect(
    calls.add(
      five.map((id) => claimed(id)),
      2,
    ),
  ).toBe(2)
  await eventually(() => told.length === 2)
  expect([calls.inSlots(), calls.kept(), calls.held().length]).toEqual([2, 3, 5])
  for (let more = 3; more <= 5; more += 1) {
    held.end(1)
    await eventually(() => told.length === more)
  }
  expect(told).toEqual(five)
  expect(held.most()).toBe(2)
})

test('when the target is not to be called, what is kept goes back without a call', async () => {
  const { calls, told, settled, state } = openSlots(1)
  calls.add([claimed('a'), claimed('b'), claimed('c')], 1)
  await eventually(() => told.length === 1)
  state.resting = true
  calls.callKept()
  expect(calls.kept()).toBe(0)
  expect(settled.map(({ delivery, call }) => [delivery.messageId, call])).toEqual([
    ['b', undefined],
    ['c', undefined],
  ])
})

test('what a dead worker may have told is refused when it goes back, and not forgotten', () => {
  const { calls, settled, state } = openSlots(1, { idempotent: false })
  state.resting = true
  calls.add([claimed('a', 1)], 0)
  expect(settled[0]?.call?.end.outcome.kind).toBe('uncertain')
})

test('a kept delivery waits for its turn like any other', async () => {
  const { calls, held, told, settled, state } = openSlots(1)
  calls.add([claimed('a'), claimed('b')], 1)
  await eventually(() => told.length === 1)
  state.until = undefined
  held.end()
  await eventually(() => settled.length === 2)
  expect(told).toEqual(['a'])
  expect(settled[1]?.call).toBeUndefined()
})

test('a delivery whose workers died twice is called alone in its process, the next call when it is settled', async () => {
  const gate = besideOrAlone(60_000)
  const { calls, held, told, marked, settled, commit } = openSlots(9, {}, gate)
  const other = openSlots(9, {}, gate)
  calls.add([claimed('innocent')], 9)
  other.calls.add([claimed('other')], 9)
  await eventually(() => told.length + other.told.length === 2)
  calls.add([claimed('a', 2), claimed('b', 2)], 9)
  // It waits for those under way, unmarked, and nothing begins meanwhile.
  await eventually(() => !gate.isOpen())
  calls.add([claimed('later')], 9)
  other.calls.add([claimed('c', 2), claimed('later, too')], 9)
  held.end()
  await eventually(() => settled.length === 1)
  expect([told, other.told, marked]).toEqual([['innocent'], ['other'], []])
  other.held.end()
  await eventually(() => told.length === 2)
  expect([told.at(-1), marked]).toEqual(['a', ['a']])

  held.end()
  await eventually(() => settled.length === 2)
  // Ended, but not committed: if the process died now, it would look as if it had been this one.
  calls.callKept()
  other.calls.callKept()
  expect([told.length, other.told.length]).toEqual([2, 1])
  commit()
  // The others first: they have stood still.
  await eventually(() => told.includes('later') && other.told.includes('later, too'))
  expect(told).not.toContain('b')
  held.end()
  other.held.end()
  await eventually(() => told.includes('b') || other.told.includes('c'))
  held.end()
  other.held.end()
  await eventually(() => calls.inSlots() + other.calls.inSlots() === 0)
  commit()
  other.commit()
  await eventually(() => told.includes('b') && other.told.includes('c'))
})

test('a suspect whose turn does not come leaves no mark, nor does it keep others from being called', async () => {
  const { calls, told, settled, marked, state } = openSlots(9)
  state.until = undefined
  calls.add([claimed('a', 2)], 9)
  await eventually(() => settled.length === 1)
  expect([settled[0]?.call, settled[0]?.againAfterSeconds, marked]).toEqual([undefined, 5, []])
  state.until = Infinity
  calls.add([claimed('innocent')], 9)
  await eventually(() => told.length === 1)
})

test('a suspect whose turn was over before it was alone is not called', async () => {
  const { calls, told, settled, state } = openSlots(9)
  state.until = performance.now() - 1
  calls.add([claimed('a', 2)], 9)
  await eventually(() => settled.length === 1)
  expect([settled[0]?.call, told]).toEqual([undefined, []])
})

test('others do not stand still for longer than calls usually take; after them, a suspect waits for longer', async () => {
  const { calls, held, told, settled, marked, commit } = openSlots(9, {}, besideOrAlone(50))
  calls.add([claimed('slow')], 9)
  await eventually(() => told.length === 1)
  for (const id of ['a', 'b']) {
    calls.add([claimed(id, 2)], 9)
    await eventually(() => settled.some(({ delivery }) => delivery.messageId === id))
    commit()
    calls.add([claimed(`beside ${id}`)], 9)
    await eventually(() => told.includes(`beside ${id}`))
  }
  expect([settled.map(({ call }) => call), marked]).toEqual([[undefined, undefined], []])
  calls.add([claimed('c', 2)], 9)
  await eventually(() => {
    held.end()
    return told.includes('c')
  })
})

test('suspects that would wait for long, or make the line long, go behind others', async () => {
  const { calls, told, settled } = openSlots(1)
  calls.add(
    Array.from({ length: 60 }, (_, n) => claimed(`s${n}`, 2)),
    1,
  )
  await eventually(() => told.length === 1)
  expect(settled).toHaveLength(10)
  calls.giveBackOld()
  // The next one in line stays.
  expect(settled).toHaveLength(58)
  expect(settled.every(({ call, againAfterSeconds }) => !call && againAfterSeconds === 5)).toBe(
    true,
  )
  expect(told).toHaveLength(1)
})

test('a suspect that cannot be marked is not called, and the next one is', async () => {
  const { calls, told, settled, state, commit } = openSlots(1)
  state.maySuspect = false
  calls.add([claimed('a', 2)], 1)
  await eventually(() => settled.length === 1)
  expect(settled[0]?.call).toBeUndefined()
  commit()
  state.maySuspect = true
  calls.add([claimed('b', 2)], 1)
  await eventually(() => told.length === 1)
  expect(told).toEqual(['b'])
})

test('the third worker that died in a row is the last one', async () => {
  const { calls, told, settled } = openSlots(1)
  calls.add([claimed('a', 3)], 1)
  await eventually(() => settled.length === 1)
  expect(settled[0]?.call?.end).toMatchObject({ outcome: { kind: 'give-up' }, stillSuspect: true })
  expect(told).toEqual([])
})

test('nothing is claimed ahead before calls have ended, of a circuit that is not closed, or where doubt costs a person', async () => {
  const cases = [
    { options: {}, ahead: 2 },
    { options: { idempotent: false }, ahead: 0 },
    {
      options: { idempotent: false, lookup: async () => ({ kind: 'unknown' as const }) },
      ahead: 2,
    },
  ]
  for (const { options, ahead } of cases) {
    const { calls, held, circuit, settled } = openSlots(5, options)
    calls.add(
      five.map((id) => claimed(id)),
      5,
    )
    await eventually(() => held.inFlight() === 5)
    expect(calls.ahead(400)).toBe(0)
    held.end()
    await eventually(() => settled.length === 5)
    expect(calls.ahead(400)).toBe(ahead)
    circuit.learn({ circuit: 'probing', epoch: 1 })
    expect(calls.ahead(400)).toBe(0)
  }
})

test('calls of more than a quarter of a second are nothing to claim ahead for', () => {
  const calls = countShortCalls()
  calls.ended(251)
  expect(calls.endIn(1_000)).toBe(0)
  calls.ended(250)
  expect(calls.endIn(1_000)).toBe(1)
})
