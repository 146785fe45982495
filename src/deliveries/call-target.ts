import { type Outcome, tryAgain, uncertain } from '#targets/outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import type { Target } from '#targets/target.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'

/** An attempt's end: what the target answered, or that the worker stopped before it did. */
export type CallEnd = {
  outcome: Outcome | { kind: 'handed-back'; reason: string }
  durationMs: number
}

/**
 * Makes one call, with no transaction or connection open. Ends within the target's deadline, or
 * shortly after `stopping` aborts, even when the target's code ignores its signal. Never throws.
 */
export async function callTarget(
  target: Target,
  delivery: ClaimedDelivery,
  stopping: AbortSignal,
): Promise<CallEnd> {
  const began = performance.now()
  const deadline = new AbortController()
  const ended = new AbortController()
  const timer = setTimeout(() => deadline.abort(), target.timeoutSeconds * 1_000)
  const signal = AbortSignal.any([deadline.signal, stopping])
  try {
    const outcome = await Promise.race([
      answer(target, delivery, signal),
      unanswered(target, signal, ended.signal),
    ])
    const durationMs = Math.round(performance.now() - began)
    const stopped = stopping.aborted && !deadline.signal.aborted
    return { outcome: stopped ? handBack(target, outcome) : outcome, durationMs }
  } finally {
    clearTimeout(timer)
    ended.abort()
  }
}

/** The same for every attempt of a delivery, and different for every target. */
function idempotencyKey(target: string, messageId: string): string {
  return `${target}-${messageId}`
}

async function answer(
  target: Target,
  { order, message, attempt }: ClaimedDelivery,
  signal: AbortSignal,
): Promise<Outcome> {
  const key = idempotencyKey(target.name, message.id)
  try {
    return await target.call({ order, message, attempt, idempotencyKey: key, signal })
  } catch (error) {
    return signal.aborted ? uncertain(noAnswer(target)) : tryAgain(reasonOf(error))
  }
}

// Time for a well-behaved target to say itself how far it got when its signal aborted.
const graceMs = 500

// `ended` takes the listener off again: a composite signal lives for as long as it has one.
function unanswered(target: Target, signal: AbortSignal, ended: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const giveGrace = () => setTimeout(() => resolve(uncertain(noAnswer(target))), graceMs)
    if (signal.aborted) giveGrace()
    else signal.addEventListener('abort', giveGrace, { once: true, signal: ended })
  })
}

function noAnswer(target: Target): string {
  return `No answer within ${target.timeoutSeconds} s.`
}

// A stop is nobody's failure and costs no attempt. Only a call that may have reached a target which must
// not be called twice stays uncertain.
function handBack(target: Target, outcome: Outcome): CallEnd['outcome'] {
  switch (outcome.kind) {
    case 'delivered':
    case 'give-up':
      return outcome
    case 'uncertain':
      return target.idempotent
        ? handedBack
        : uncertain('Sent; the worker stopped before an answer.')
    case 'try-again':
      return handedBack
    default:
      return outcome satisfies never
  }
}

const handedBack = { kind: 'handed-back', reason: 'The worker stopped.' } as const
