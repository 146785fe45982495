import type { Target } from '#targets/target.ts'

import type { CallEnd } from './call-target.ts'
import type { ClaimedDelivery } from './claim-deliveries.ts'
import { isPoison } from './suspects.ts'

/**
 * Deliveries whose previous worker died in the middle of a call, and that must not be called again: on
 * a target that is not idempotent and cannot be asked nobody knows whether it was told, and one whose calls
 * keep taking their worker down would go on to do so, or has used up its attempts without ever failing.
 */
export function refuseToCall(
  target: Pick<Target, 'idempotent' | 'retry' | 'lookup'>,
  delivery: ClaimedDelivery,
): CallEnd | undefined {
  const { lostInARow, charged } = delivery
  if (lostInARow === 0) return undefined
  if (!target.idempotent && !target.lookup) {
    const reason = 'Not called again: the worker died during the previous attempt.'
    return { outcome: { kind: 'uncertain', reason }, askFirst: true, durationMs: 0 }
  }
  if (isPoison(delivery)) {
    const reason = 'Given up: three workers in a row died, or stopped answering, while calling it.'
    const outcome = { kind: 'give-up', reason } as const
    return { outcome, askFirst: true, durationMs: 0, stillSuspect: true }
  }
  if (charged > target.retry.attempts) {
    const reason = `Given up after ${charged - 1} attempts: of the last nothing was heard, its worker died, stopped answering or had it for a day.`
    const kind = target.idempotent ? 'give-up' : 'uncertain'
    return { outcome: { kind, reason }, askFirst: true, durationMs: 0, stillSuspect: true }
  }
  return undefined
}
