import { type Outcome, tryAgain, uncertain } from '#targets/outcome.ts'
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
  const timer = setTimeout(() => deadline.abort(), target.timeoutSeconds * 1_000)
  const signal = AbortSignal.any([deadline.signal, stopping])
  try {
    const outcome = await Promise.race([
      answer(target, delivery, signal),
      unanswered(signal, target),
    ])
    const durationMs = Math.round(performance.now() - began)
    return { outcome: stopping.aborted ? handBack(outcome) : outcome, durationMs }
  } finally {
    clearTimeout(timer)
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
    const reason = error instanceof Error ? error.message : String(error)
    return signal.aborted ? uncertain(noAnswer(target)) : tryAgain(reason)
  }
}

// Time for a well-behaved target to say itself how far it got when its signal aborted.
const graceMs = 500

function unanswered(signal: AbortSignal, target: Target): Promise<Outcome> {
  return new Promise((resolve) => {
    const giveGrace = () => setTimeout(() => resolve(uncertain(noAnswer(target))), graceMs)
    if (signal.aborted) giveGrace()
    else signal.addEventListener('abort', giveGrace, { once: true })
  })
}

function noAnswer(target: Target): string {
  return `No answer within ${target.timeoutSeconds} s.`
}

// A stop is nobody's failure, but a call that may have reached its target stays uncertain.
function handBack(outcome: Outcome): CallEnd['outcome'] {
  switch (outcome.kind) {
    case 'delivered':
    case 'give-up':
    case 'uncertain':
      return outcome
    case 'try-again':
      return { kind: 'handed-back', reason: 'The worker stopped.' }
    default:
      return outcome satisfies never
  }
}
