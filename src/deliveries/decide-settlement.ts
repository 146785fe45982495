import type { AttemptOutcome, DeliveryState } from '#database/tables.ts'
import type { JobEnd } from '#queues/jobs.ts'
import { keepAnswer } from '#targets/keep-answer.ts'
import type { Answer, MadeFile } from '#targets/outcome.ts'
import { storableText } from '#targets/storable-text.ts'
import type { RetrySchedule, Target } from '#targets/target.ts'

import type { CallEnd } from './call-target.ts'
import type { ClaimedDelivery } from './claim-deliveries.ts'

/** What becomes of a delivery that was claimed, and of its job: written by settleDeliveries. */
export type Settlement = {
  delivery: ClaimedDelivery
  /** Null: the target was not called after all, and nothing is recorded or spent. */
  attempt: EndedAttempt | null
  /** Null: as before. */
  state: DeliveryState | null
  askFirst: boolean
  /** See CallEnd. */
  stillSuspect?: boolean
  /** What the target made: kept with the order. */
  file?: MadeFile
  /** It is entered in the audit chain. */
  enter?: true
  jobEnd: JobEnd
}

export type EndedAttempt = {
  outcome: AttemptOutcome
  reason: string | null
  answer: Answer | null
  /** Milliseconds, and how long ago it began by the worker's own clock, which is right about durations only. */
  durationMs: number
  begunAt: number
  charged: boolean
}

/** A call that ended, when it began (performance.now()), and what its target's circuit made of it. */
export type EndedCall = {
  delivery: ClaimedDelivery
  end: CallEnd
  begunAt: number
  /** The circuit is not closed: failing costs no attempt. `probeInSeconds` is when it is probed next. */
  duringOutage?: { probeInSeconds: number }
}

type Options = Pick<Target, 'idempotent' | 'retry' | 'lookup'>

/** Turns what a call came to into what happens next, by the target's options as they are now. */
export function decideSettlement(target: Options, ended: EndedCall): Settlement {
  const settled = decide(target, ended)
  // Without a lookup nothing takes back that an earlier attempt may have reached it.
  return ended.delivery.askFirst && !target.lookup ? { ...settled, askFirst: true } : settled
}

function decide(target: Options, ended: EndedCall): Settlement {
  const { delivery, end } = ended
  const { outcome } = end
  switch (outcome.kind) {
    case 'delivered':
      return {
        ...settlement(ended, 'delivered', { state: 'delivered', jobEnd: { kind: 'end' } }),
        ...(outcome.file && { file: outcome.file }),
        ...(outcome.enter && { enter: true }),
      }
    case 'give-up':
      return settlement(ended, 'give-up', dead(delivery))
    case 'withdrawn':
      return {
        delivery,
        attempt: null,
        state: 'cancelled',
        askFirst: false,
        jobEnd: { kind: 'end' },
      }
    case 'handed-back':
      return settlement(ended, 'handed-back', retry(0), { charged: false })
    case 'uncertain':
      return target.idempotent || target.lookup
        ? decideRetry(target, ended)
        : settlement(ended, 'uncertain', unknown)
    case 'try-again':
      return decideRetry(target, ended)
    default:
      return outcome satisfies never
  }
}

/**
 * Gives back a delivery that was claimed but not called: it keeps its place, or with `afterSeconds` is tried then,
 * behind what has not failed.
 */
export function giveBack(delivery: ClaimedDelivery, afterSeconds?: number): Settlement {
  return {
    delivery,
    attempt: null,
    state: null,
    askFirst: delivery.askFirst,
    jobEnd:
      afterSeconds === undefined
        ? { kind: 'retry', afterSeconds: 0 }
        : { kind: 'retry', afterSeconds, behindOthers: true },
  }
}

type Next = Pick<Settlement, 'state' | 'jobEnd'>

const unknown: Next = { state: 'uncertain', jobEnd: { kind: 'end' } }

function settlement(
  { delivery, end, begunAt }: EndedCall,
  outcome: AttemptOutcome,
  next: Next,
  { charged } = { charged: true },
): Settlement {
  const told = end.outcome
  return {
    delivery,
    attempt: {
      outcome,
      reason: told.reason === undefined ? null : storableText(told.reason, maxReasonBytes),
      answer: 'answer' in told && told.answer ? keepAnswer(told.answer, told.kind) : null,
      durationMs: end.durationMs,
      begunAt,
      charged,
    },
    askFirst: end.askFirst,
    ...(end.stillSuspect && { stillSuspect: true }),
    ...next,
  }
}

// While the circuit is open nothing is charged. But what failed goes behind what has not been tried: the next
// probe is to be another order, since this one may be the only thing that is wrong.
function decideRetry(target: Options, ended: EndedCall): Settlement {
  const { delivery, end, duringOutage } = ended
  const asked =
    'notBeforeSeconds' in end.outcome ? bounded(end.outcome.notBeforeSeconds) : undefined
  if (duringOutage) {
    const wait = Math.max(asked ?? 0, duringOutage.probeInSeconds)
    const later = { kind: 'retry', afterSeconds: wait, behindOthers: true } as const
    return settlement(ended, 'try-again', { state: 'retrying', jobEnd: later }, { charged: false })
  }
  if (delivery.charged < target.retry.attempts) {
    const wait = asked ?? backoffSeconds(delivery.charged, target.retry)
    const later = { kind: 'retry', afterSeconds: wait, behindOthers: true } as const
    return settlement(ended, 'try-again', { state: 'retrying', jobEnd: later })
  }
  const isUnknown = !target.idempotent && end.askFirst
  return isUnknown
    ? settlement(ended, 'uncertain', unknown)
    : settlement(ended, 'try-again', dead(delivery))
}

function retry(afterSeconds: number): Next {
  return { state: 'retrying', jobEnd: { kind: 'retry', afterSeconds } }
}

/** Between `delaySeconds`·2ⁿ⁻¹ and twice that after the n-th attempt that counts. */
function backoffSeconds(charged: number, { delaySeconds, maxDelaySeconds }: RetrySchedule): number {
  const delay = delaySeconds * 2 ** Math.min(charged - 1, 30)
  return Math.min(maxDelaySeconds, delay * (1 + Math.random()))
}

// Whatever a target's code says: a day later somebody should have looked.
const maxWaitSeconds = 86_400

function bounded(seconds: number | undefined): number | undefined {
  if (seconds === undefined || !Number.isFinite(seconds)) return undefined
  return Math.min(Math.max(0, Math.ceil(seconds)), maxWaitSeconds)
}

function dead({ messageId, orderId, kind }: ClaimedDelivery): Next {
  const bury = { messageId, orderId, kind }
  return { state: 'dead', jobEnd: { kind: 'end', bury } }
}

// Whatever a target's code says: what the column takes.
const maxReasonBytes = 2_000
