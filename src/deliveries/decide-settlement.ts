import type { AttemptOutcome, DeliveryState } from '#database/tables.ts'
import type { JobEnd } from '#queues/jobs.ts'
import { type Answer, maxAnswerCharacters } from '#targets/outcome.ts'
import type { Target } from '#targets/target.ts'

import type { CallEnd } from './call-target.ts'
import type { ClaimedDelivery } from './claim-deliveries.ts'

/** An attempt that ended and what it means for its delivery and its job: written by settleDeliveries. */
export type Settlement = {
  delivery: ClaimedDelivery
  outcome: AttemptOutcome
  reason: string | null
  answer: Answer | null
  durationMs: number
  state: DeliveryState
  charged: boolean
  jobEnd: JobEnd
}

/** Turns what a call came to into what happens next, by the target's options as they are now. */
export function decideSettlement(
  target: Pick<Target, 'idempotent' | 'retry'>,
  delivery: ClaimedDelivery,
  { outcome, durationMs }: CallEnd,
): Settlement {
  const ended = {
    delivery,
    durationMs,
    reason: 'reason' in outcome ? storable(outcome.reason) : null,
    answer: 'answer' in outcome && outcome.answer ? storableAnswer(outcome.answer) : null,
  }
  switch (outcome.kind) {
    case 'delivered':
      return { ...ended, ...charged, outcome: 'delivered', state: 'delivered', jobEnd: complete }
    case 'give-up':
      return { ...ended, ...charged, outcome: 'give-up', ...dead(delivery) }
    case 'handed-back':
      return { ...ended, charged: false, outcome: 'handed-back', ...retry(0) }
    case 'uncertain':
      return target.idempotent
        ? { ...ended, ...charged, outcome: 'try-again', ...retryOrGiveUp(target, delivery) }
        : { ...ended, ...charged, outcome: 'uncertain', state: 'uncertain', jobEnd: cancel }
    case 'try-again':
      return {
        ...ended,
        ...charged,
        outcome: 'try-again',
        ...retryOrGiveUp(target, delivery, outcome.notBeforeSeconds),
      }
    default:
      return outcome satisfies never
  }
}

// A target may answer anything; PostgreSQL stores no NUL and no half of a surrogate pair.
function storable(text: string): string {
  return text.slice(0, maxAnswerCharacters).toWellFormed().replaceAll('\0', '\uFFFD')
}

function storableAnswer({ text, ...answer }: Answer): Answer {
  return text === undefined ? answer : { ...answer, text: storable(text) }
}

const charged = { charged: true }
const complete: JobEnd = { kind: 'complete' }
const cancel: JobEnd = { kind: 'cancel' }

// Whatever a target's code says: a day later somebody should have looked.
const maxWaitSeconds = 86_400

type Next = Pick<Settlement, 'state' | 'jobEnd'>

function retryOrGiveUp(
  target: Pick<Target, 'retry'>,
  delivery: ClaimedDelivery,
  notBeforeSeconds?: number,
): Next {
  return delivery.charged >= target.retry.attempts ? dead(delivery) : retry(notBeforeSeconds)
}

function retry(afterSeconds?: number): Next {
  const jobEnd: JobEnd =
    afterSeconds === undefined || !Number.isFinite(afterSeconds)
      ? { kind: 'retry' }
      : {
          kind: 'retry',
          afterSeconds: Math.min(Math.max(0, Math.ceil(afterSeconds)), maxWaitSeconds),
        }
  return { state: 'retrying', jobEnd }
}

function dead({ message, order }: ClaimedDelivery): Next {
  const bury = { messageId: message.id, orderId: order.id, kind: message.kind }
  return { state: 'dead', jobEnd: { kind: 'cancel', bury } }
}
