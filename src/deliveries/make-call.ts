import type { Target } from '#targets/target.ts'

import { callTarget } from './call-target.ts'
import type { CircuitView } from './circuit-view.ts'
import type { Claimed } from './claim-next.ts'
import type { CountedCall } from './count-calls.ts'
import { refuseToCall } from './refuse-to-call.ts'
import { ownForMs } from './tend-calls.ts'

/**
 * Whether a claimed delivery may still be called: since its claim the worker may have been frozen, and the
 * delivery given to another, or the target's circuit may have opened.
 */
export function mayStillCall({ epoch, keptAt }: Claimed, circuit: CircuitView): boolean {
  if (performance.now() - keptAt > ownForMs) return false
  if (circuit.circuit === 'closed') return true
  return circuit.circuit !== 'open' && circuit.epoch === epoch
}

/** Calls the target, unless it must not be called for this delivery. While it lasts, `call` says since when. */
export async function makeCall(
  target: Target,
  call: Claimed,
  circuit: CircuitView,
): Promise<CountedCall> {
  const { delivery, epoch } = call
  const isProbe = circuit.circuit === 'probing'
  const begunAt = performance.now()
  call.begunAt = begunAt
  const refused = refuseToCall(target, delivery)
  if (refused) return { delivery, end: refused, begunAt, epoch, isProbe, wasCalled: false }
  const underWay = callTarget(target, delivery)
  call.cut = underWay.cut
  const end = await underWay.end
  // Thousands may wait to be settled, which needs the ids only.
  delete delivery.told
  return { delivery, end, begunAt, epoch, isProbe, wasCalled: true }
}
