import type { Mistake } from '#targets/target-kind.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'

import type { CheckedTarget } from './check-target.ts'
import type { Waits } from './find-after-mistakes.ts'

/** Targets that must not miss anything, and are said to be droppable. */
export function findDroppableMistakes(checked: readonly CheckedTarget[], waits: Waits): Mistake[] {
  return checked.filter(isDroppable).flatMap(({ name, kind }) => {
    const waiting = [...waits].flatMap(([other, after]) => (after.includes(name) ? [other] : []))
    const messages = [
      ...(kind && sayNeeded[kind] ? [sayNeeded[kind]] : []),
      ...waiting.map((other) => sayWaits(other, name)),
    ]
    return messages.map((message) => ({ path: `targets.${name}.droppable`, message }))
  })
}

function isDroppable({ options }: CheckedTarget): boolean {
  const { droppable } = options as { droppable?: unknown }
  return droppable !== undefined && droppable !== false
}

const sayNeeded: Partial<Record<NonNullable<CheckedTarget['kind']>, string>> = {
  receipt: 'is for what may be missed, and buyers ask for their receipts: leave it out',
  audit: 'is for what may be missed, and a record with gaps proves nothing: leave it out',
}

function sayWaits(other: string, name: string): string {
  const where = other === paymentTargetName ? 'payment.captureAfter' : `the after of ${other}`
  return `is for what may be missed, and ${other} waits for it: leave it out, or take ${name} out of ${where}`
}
