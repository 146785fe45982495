import { paymentTargetName } from '#targets/payment/payment-target.ts'
import type { Mistake } from '#targets/target-kind.ts'

import { findAfterMistakes, type Waits } from './find-after-mistakes.ts'

/** Where a mistake in what the target `payment` waits for is found; it is written in `payment.captureAfter`. */
export const paymentWaits = `targets.${paymentTargetName}.after`

/** The mistakes in `captureAfter`, which holds of `order.placed` only. */
export function findCaptureMistakes(waits: Waits, routes: unknown): Mistake[] {
  const isObject = typeof routes === 'object' && routes !== null
  const placed: unknown = isObject && 'order.placed' in routes ? routes['order.placed'] : []
  return findAfterMistakes(waits, { 'order.placed': placed })
    .filter(({ path }) => path === paymentWaits)
    .map(({ message }) => ({ path: 'payment.captureAfter', message }))
}
