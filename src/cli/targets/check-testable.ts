import { OrderwheelError } from '#base/errors.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'
import type { Target } from '#targets/target.ts'

/** Throws for a target that a test would not tell, and for one that would do something again unless that `isMeant`. */
export function checkTestable(target: Target, isMeant: boolean): void {
  const { name, kind } = target
  if (kind === 'audit')
    throw refused(
      `${name} is not called: what it is told is entered with its delivery, and a test has none. See orderwheel audit verify.`,
    )
  if (kind === 'reports') throw refused(`${name} makes reports, and is told of no order.`)
  const qualm = qualmOf(target)
  if (qualm && !isMeant) throw refused(`Not called. ${qualm} Give --yes if that is meant.`)
}

function qualmOf({ name, idempotent }: Target): string | undefined {
  if (name === paymentTargetName)
    return 'payment really captures, voids or refunds what was charged, whatever it comes after.'
  if (!idempotent)
    return `${name} is declared idempotent: false: what it did for this order, it would do again.`
  return undefined
}

function refused(reason: string): OrderwheelError {
  return new OrderwheelError('usage', reason)
}
