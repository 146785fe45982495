import type { Outcome } from '#targets/outcome.ts'
import type { CircuitOptions, Target } from '#targets/target.ts'
import type { CallsEnded } from '#limits/circuit.ts'
import { recordCalls } from '#limits/record-calls.ts'

import type { CircuitView } from './circuit-view.ts'
import type { EndedCall } from './decide-settlement.ts'
import type { WorkerDeps } from './worker-deps.ts'

/** A call that ended, with the circuit it began in. */
export type CountedCall = EndedCall & {
  epoch: number
  isProbe: boolean
  /** It was really made: a refused delivery says nothing about its target. */
  wasCalled: boolean
}

/**
 * Tells the target's circuit, which all workers share, how calls ended, and marks those that failed during an
 * outage. Calls that say nothing new (they succeeded, as those before) cost no query.
 */
export async function countCalls(
  target: Target,
  deps: Pick<WorkerDeps, 'db' | 'worker' | 'log' | 'targetChanged'>,
  view: CircuitView,
  ended: readonly CountedCall[],
): Promise<void> {
  if (!target.circuit) return
  const before = view.circuit
  for (const [epoch, calls] of Map.groupBy(
    ended.filter((call) => call.wasCalled),
    (call) => call.epoch,
  )) {
    const told = summarise(calls)
    if (told.calls === 0 || (told.failed === 0 && view.clean)) continue
    const recorded = await recordCalls(deps.db, {
      target: target.name,
      worker: deps.worker,
      options: target.circuit,
      epoch,
      ended: told,
    })
    view.learn({ ...recorded, circuit: recorded.state })
    if (!recorded.changed) continue
    deps.log.warn(
      { target: target.name, circuit: recorded.state, reason: recorded.reason },
      'circuit changed',
    )
    deps.targetChanged(target.name)
  }
  // A target that has just answered a probe is not down: what fails now is likely to be the order.
  if (view.circuit === 'closed' || view.circuit === 'ramping' || before === 'ramping') return
  for (const call of ended) {
    // Whoever makes a target ask for a pause pays for it; otherwise one order could do so for ever.
    const asked = before !== 'open' && before !== 'probing' && pauseOf(call.end.outcome) > 0
    if (asked) continue
    // A day of nothing but failed probes is no outage that its order can be spared.
    if (isProbedForADay(call, target.circuit)) continue
    call.duringOutage = { probeInSeconds: view.probeInSeconds + (call.isProbe ? 1 : 0) }
  }
}

function isProbedForADay({ delivery }: CountedCall, { maxProbeAfterSeconds }: CircuitOptions) {
  return delivery.attempt - delivery.charged >= 86_400 / maxProbeAfterSeconds
}

/** A refusal of one order (`give-up`) is an answer; what the worker handed back says nothing. */
function summarise(calls: readonly CountedCall[]): CallsEnded {
  const outcomes = calls
    .filter(({ end }) => !end.cutShort)
    .map(({ end }) => end.outcome)
    .filter((outcome) => outcome.kind !== 'handed-back' && outcome.kind !== 'withdrawn')
  const failures = outcomes.filter((outcome) => isFailure(outcome))
  const lastSuccess = outcomes.findLastIndex((outcome) => !isFailure(outcome))
  const pauseSeconds = Math.max(0, ...failures.map(pauseOf))
  return {
    calls: outcomes.length,
    failed: failures.length,
    failedInARow: outcomes.length - 1 - lastSuccess,
    ...(pauseSeconds > 0 ? { pauseSeconds } : {}),
    reason: failures.at(-1)?.reason ?? null,
  }
}

function isFailure(outcome: Outcome): outcome is Extract<Outcome, { reason: string }> {
  return outcome.kind === 'try-again' || outcome.kind === 'uncertain'
}

function pauseOf(outcome: EndedCall['end']['outcome']): number {
  return 'notBeforeSeconds' in outcome ? (outcome.notBeforeSeconds ?? 0) : 0
}
