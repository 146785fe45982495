import type { Target } from '#targets/target.ts'

import { type CallEnd, callTarget } from './call-target.ts'
import type { CircuitView } from './circuit-view.ts'
import type { Claimed } from './claim-next.ts'
import type { CountedCall } from './count-calls.ts'
import { ownForMs } from './tend-calls.ts'

/**
 * Whether a claimed delivery may still be called: since its claim the worker may have been frozen, and the
 * delivery given to another, or the target's circuit may have opened.
 */
export function mayStillCall({ epoch, keptAt }: Claimed, circuit: CircuitView): boolean {
  if (!isOurs({ keptAt })) return false
  if (circuit.circuit === 'closed') return true
  return circuit.circuit !== 'open' && circuit.epoch === epoch
}

/** What a delivery comes to that must not be called: see refuseToCall. */
export function refused(end: CallEnd, { delivery, epoch }: Claimed): CountedCall {
  return {
    delivery,
    end,
    begunAt: performance.now(),
    epoch,
    isProbe: false,
    wasCalled: false,
  }
}

/** Calls the target. While it lasts, `call` says since when. */
export async function makeCall(
  target: Target,
  call: Claimed,
  circuit: CircuitView,
): Promise<CountedCall> {
  const { delivery, epoch } = call
  const isProbe = circuit.circuit === 'probing'
  const begunAt = performance.now()
  call.begunAt = begunAt
  const underWay = callTarget(target, delivery, () => isOurs(call))
  call.cut = underWay.cut
  const end = await underWay.end
  // Thousands may wait to be settled, which needs the ids only.
  delete delivery.told
  const wasCalled = end.outcome.kind !== 'withdrawn'
  return { delivery, end, begunAt, epoch, isProbe, wasCalled }
}

function isOurs({ keptAt }: Pick<Claimed, 'keptAt'>): boolean {
  return performance.now() - keptAt <= ownForMs
}
