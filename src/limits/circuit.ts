import type { CircuitState } from '#database/tables.ts'
import type { CircuitOptions } from '#targets/target.ts'

/** What all workers know about how a target has been answering. */
export type Circuit = {
  state: CircuitState
  failedInARow: number
  /** Calls that ended within the period that began with the first failure, and those of them that failed. */
  windowCalls: number
  windowFailed: number
  failedProbes: number
  /** While ramping: calls at a time, and how many succeeded since the last step. */
  rampSlots: number
  rampCalls: number
}

/** Calls that ended, as one worker reports them. Calls that say nothing about the target are left out. */
export type CallsEnded = {
  calls: number
  failed: number
  /** Failed since the last that did not. */
  failedInARow: number
  /** The longest the target asked to be left alone for, in seconds. */
  pauseSeconds?: number
  /** Of the last that failed. */
  reason: string | null
}

export type Judgement = {
  circuit: Circuit
  /** Why the state changed; absent when it did not. */
  reason?: string
  /** After which time the target is probed; there when the circuit opens. */
  probeAfterSeconds?: number
}

/**
 * What calls that began in the circuit's present state make of it. Opens on failures in a row, on a rate of
 * failures, or because the target asked for a pause; one probe closes it again, in steps that each double the
 * calls at a time, so that a target that has just come back is not flooded.
 */
export function judgeCalls(
  circuit: Circuit,
  ended: CallsEnded,
  { options, concurrency }: { options: CircuitOptions; concurrency: number },
): Judgement {
  const counted = count(circuit, ended)
  switch (circuit.state) {
    case 'open':
      return { circuit }
    case 'probing':
      if (ended.failed > 0) return failProbe(counted, ended, options)
      return step(startRamp(counted), concurrency)
    case 'closed': {
      const why = whyOpen(counted, ended, options)
      return why ? open({ ...counted, failedProbes: 0 }, ended, why, options) : { circuit: counted }
    }
    case 'ramping': {
      const why = whyOpen(counted, ended, { ...options, ...ramping })
      if (why) return open(counted, ended, why, options)
      const rampCalls = counted.rampCalls + ended.calls - ended.failed
      return step({ ...counted, rampCalls }, concurrency)
    }
    default:
      return circuit.state satisfies never
  }
}

/** Nothing that is written in it would tell a new call's success from the last one's. */
export function isClean({ state, failedInARow, windowFailed }: Circuit): boolean {
  return state === 'closed' && failedInARow === 0 && windowFailed === 0
}

// A target that has just come back gets less credit: two failures in a row, or half of a few calls.
const ramping = { failuresInARow: 2, failureRate: 0.5, minimumCalls: 4 }

function count(circuit: Circuit, { calls, failed, failedInARow }: CallsEnded): Circuit {
  return {
    ...circuit,
    failedInARow: failed === calls ? circuit.failedInARow + failed : failedInARow,
    windowCalls: circuit.windowCalls + calls,
    windowFailed: circuit.windowFailed + failed,
  }
}

function whyOpen(
  { failedInARow, windowCalls, windowFailed }: Circuit,
  { pauseSeconds, reason }: CallsEnded,
  limits: Pick<CircuitOptions, 'failuresInARow' | 'failureRate' | 'minimumCalls'>,
): string | undefined {
  const last = reason ? `: ${reason}` : ''
  if (pauseSeconds) return `asked to be left alone for ${pauseSeconds} s${last}`
  if (failedInARow >= limits.failuresInARow) return `${failedInARow} calls failed in a row${last}`
  if (
    windowFailed > 0 &&
    windowCalls >= limits.minimumCalls &&
    windowFailed >= limits.failureRate * windowCalls
  )
    return `${windowFailed} of ${windowCalls} calls failed${last}`
  return undefined
}

function open(
  circuit: Circuit,
  { pauseSeconds = 0 }: CallsEnded,
  reason: string,
  { probeAfterSeconds, maxProbeAfterSeconds }: CircuitOptions,
): Judgement {
  const wait = Math.min(maxProbeAfterSeconds, probeAfterSeconds * 2 ** circuit.failedProbes)
  return {
    circuit: { ...circuit, ...nothingCounted, state: 'open' },
    reason,
    probeAfterSeconds: Math.max(wait, pauseSeconds),
  }
}

function failProbe(circuit: Circuit, ended: CallsEnded, options: CircuitOptions): Judgement {
  const probed = { ...circuit, failedProbes: circuit.failedProbes + 1 }
  return open(probed, ended, `still failing${ended.reason ? `: ${ended.reason}` : ''}`, options)
}

function startRamp(circuit: Circuit): Circuit {
  return { ...circuit, ...nothingCounted, state: 'ramping', rampSlots: 2 }
}

/** One step of ramping, when as many calls succeeded as may be made at a time; closes at the target's concurrency. */
function step(circuit: Circuit, concurrency: number): Judgement {
  const full = circuit.rampCalls > 0 && circuit.rampCalls >= circuit.rampSlots
  const rampSlots = full ? circuit.rampSlots * 2 : circuit.rampSlots
  if (rampSlots >= concurrency) {
    const closed: Circuit = { ...circuit, ...nothingCounted, state: 'closed', failedProbes: 0 }
    return { circuit: closed, reason: 'back at full strength' }
  }
  const begun = circuit.rampCalls === 0 && !full && circuit.windowCalls === 0
  return {
    circuit: { ...circuit, rampSlots, rampCalls: full ? 0 : circuit.rampCalls },
    ...(begun ? { reason: 'a probe succeeded' } : {}),
  }
}

const nothingCounted = {
  failedInARow: 0,
  windowCalls: 0,
  windowFailed: 0,
  rampSlots: 0,
  rampCalls: 0,
} as const
