import type { DeliveryState } from '#database/tables.ts'

import type { Released } from './release-order.ts'

/** What a person makes of a delivery that nobody else can decide on. */
export const decisions = ['mark-delivered', 'try-again', 'skip'] as const

export type Decision = (typeof decisions)[number]

export type DecisionRequest = {
  /** A UUID. */
  messageId: string
  target: string
  decision: Decision
  who: string
  /** At most 1 000 characters. A delivery should not be skipped without one. */
  reason: string | null
}

export type Decided =
  | {
      kind: 'decided'
      before: 'dead' | 'uncertain'
      state: 'delivered' | 'queued' | 'skipped'
      /** What had waited for it and has a job now. */
      released: Released[]
    }
  /** Not one to decide on; `state` null: there is no such delivery. Somebody else may have decided just before. */
  | { kind: 'refused'; state: DeliveryState | null }

/** Whether a person has to decide on a delivery in this state. */
export function isUndecided(state: DeliveryState): state is 'dead' | 'uncertain' {
  return state === 'dead' || state === 'uncertain'
}
