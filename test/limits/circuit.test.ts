import { expect, test } from 'vitest'

import { type CallsEnded, type Circuit, isClean, judgeCalls } from '#limits/circuit.ts'
import { circuitDefaults } from '#targets/target.ts'

const closed: Circuit = {
  state: 'closed',
  failedInARow: 0,
  windowCalls: 0,
  windowFailed: 0,
  failedProbes: 0,
  rampSlots: 0,
  rampCalls: 0,
}
const probing: Circuit = { ...closed, state: 'probing' }
const ramping: Circuit = { ...closed, state: 'ramping', rampSlots: 2 }

const failed = (calls = 1, more: Partial<CallsEnded> = {}): CallsEnded => ({
  calls,
  failed: calls,
  failedInARow: calls,
  reason: 'answered 503',
  ...more,
})
const succeeded = (calls = 1): CallsEnded => ({ calls, failed: 0, failedInARow: 0, reason: null })
const backFromProbing = [1, 2, 4, 8, 16].flatMap((calls) =>
  Array<CallsEnded>(calls).fill(succeeded()),
)

/** What becomes of a circuit when these calls end one after the other. */
function judge(circuit: Circuit, ended: readonly CallsEnded[], concurrency = 20) {
  const options = circuitDefaults
  const judged = ended.map((calls) => {
    const judgement = judgeCalls(circuit, calls, { options, concurrency })
    circuit = judgement.circuit
    return judgement
  })
  return {
    circuit,
    states: judged.map((judgement) => judgement.circuit.state),
    reasons: judged.flatMap(({ reason }) => reason ?? []),
    waits: judged.flatMap(({ probeAfterSeconds }) => probeAfterSeconds ?? []),
  }
}

test('a few failures open nothing', () => {
  const { circuit, reasons } = judge(closed, [failed(4), succeeded(), failed(4)])
  expect(circuit).toMatchObject({ state: 'closed', failedInARow: 4 })
  expect(reasons).toEqual([])
})

test('five failures in a row open it, however they are reported', () => {
  const opened = ['5 calls failed in a row: answered 503']
  expect(judge(closed, [failed(5)]).reasons).toEqual(opened)
  expect(judge(closed, [failed(2), failed(), failed(2)]).reasons).toEqual(opened)
  const mixed = failed(6, { failed: 3, failedInARow: 3 })
  expect(judge(closed, [failed(4), mixed, failed(2)]).reasons).toEqual(opened)
})

test('half of twenty calls open it, half of ten do not', () => {
  const everySecond = [1, 2, 3, 4, 5].flatMap(() => [succeeded(), failed()])
  const ten = judge(closed, everySecond)
  expect(ten.circuit.state).toBe('closed')
  const twenty = judge(ten.circuit, everySecond)
  expect(twenty.reasons).toEqual(['10 of 20 calls failed: answered 503'])
})

test('fewer than half do not open it, however many', () => {
  const oneOfThree = Array.from({ length: 300 }, (_, i) => (i % 3 === 1 ? failed() : succeeded()))
  expect(judge(closed, oneOfThree).reasons).toEqual([])
})

test('a target that asks to be left alone is left alone for that long', () => {
  const asked = judge(closed, [failed(1, { pauseSeconds: 600 })])
  expect(asked).toMatchObject({
    states: ['open'],
    reasons: ['asked to be left alone for 600 s: answered 503'],
    waits: [600],
  })
})

test('a pause shorter than the wait for the probe changes nothing about it', () => {
  expect(judge(closed, [failed(1, { pauseSeconds: 1 })]).waits).toEqual([5])
})

test('an open circuit is not changed by calls', () => {
  const open: Circuit = { ...closed, state: 'open' }
  expect(judge(open, [succeeded(5), failed(5)]).circuit).toEqual(open)
})

test('each failed probe makes the next one wait twice as long, up to a minute', () => {
  let circuit = judge(closed, [failed(5)]).circuit
  const waits: number[] = []
  for (let probe = 0; probe < 2_000; probe += 1) {
    const judged = judge({ ...circuit, state: 'probing' }, [failed()])
    waits.push(...judged.waits)
    circuit = judged.circuit
    expect(judged.reasons).toEqual(['still failing: answered 503'])
  }
  expect(waits.slice(0, 6)).toEqual([10, 20, 40, 60, 60, 60])
  expect(new Set(waits.slice(6))).toEqual(new Set([60]))
})

test('a target that asks for more time in answer to a probe gets it', () => {
  expect(judge(probing, [failed(1, { pauseSeconds: 900 })]).waits).toEqual([900])
})

test('after a probe that succeeded, calls at a time double until they are all there', () => {
  const steps: { slots: number; calls: number }[] = []
  let { circuit } = judge(probing, [succeeded()])
  expect(circuit).toMatchObject({ state: 'ramping', rampSlots: 2 })
  while (circuit.state === 'ramping') {
    const before = circuit.rampSlots
    let calls = 0
    for (; circuit.state === 'ramping' && circuit.rampSlots === before; calls += 1)
      circuit = judge(circuit, [succeeded()]).circuit
    steps.push({ slots: before, calls })
  }
  expect(steps).toEqual([2, 4, 8, 16].map((slots) => ({ slots, calls: slots })))
  expect(circuit).toEqual(closed)
})

test('many calls that end together are one step', () => {
  expect(judge(ramping, [succeeded(500)]).circuit).toMatchObject({ state: 'ramping', rampSlots: 4 })
})

test('each change has one reason', () => {
  expect(judge(closed, [failed(5), failed(5)]).reasons).toHaveLength(1)
  const back = judge(probing, backFromProbing)
  expect(back.reasons).toEqual(['a probe succeeded', 'back at full strength'])
})

test('a target of one or two calls at a time is back at once', () => {
  const { states, reasons } = judge(probing, [succeeded()], 2)
  expect(states).toEqual(['closed'])
  expect(reasons).toEqual(['back at full strength'])
})

test('a target that fails again while it comes back is left alone again, for as long as before', () => {
  const before = { ...ramping, failedProbes: 2 }
  const twoInARow = judge(before, [succeeded(), failed(), failed()])
  expect(twoInARow.states.at(-1)).toBe('open')
  expect(twoInARow.waits).toEqual([20])
  const half = judge(before, [succeeded(), failed(), succeeded(), failed()])
  expect(half.reasons).toEqual(['2 of 4 calls failed: answered 503'])
  expect(judge(before, [failed(), succeeded()]).states).toEqual(['ramping', 'ramping'])
})

test('once it is closed, what was before is forgotten', () => {
  const { circuit } = judge({ ...probing, failedProbes: 7 }, backFromProbing)
  expect(circuit).toEqual(closed)
})

test('successes are worth recording only when something is to be forgotten', () => {
  expect(isClean(closed)).toBe(true)
  expect(isClean(judge(closed, [failed()]).circuit)).toBe(false)
  expect(isClean(ramping)).toBe(false)
  expect(isClean({ ...closed, state: 'open' })).toBe(false)
})
