import { maxRetryAfterSeconds } from '#targets/http/retry-after.ts'

import { checkFile } from './check-file.ts'
import { keepAnswer } from './keep-answer.ts'
import { keepValue } from './keep-value.ts'
import type { MadeFile, Outcome } from './outcome.ts'
import { storableText } from './storable-text.ts'

/** Long enough for a sentence, short enough to group dead letters by. */
export const maxReasonBytes = 300

/**
 * An outcome a function of the configuration file returned, cut to what is stored.
 * Undefined when it is not an outcome at all.
 */
export function readOutcome(value: unknown): Outcome | undefined {
  if (!isOutcome(value)) return undefined
  const answer = value.answer ? { answer: keepAnswer(value.answer, value.kind) } : {}
  if (value.kind === 'delivered') return { kind: 'delivered', ...answer, ...readKept(value) }
  const reason = storableReason(value.reason)
  if (value.kind !== 'try-again') return { kind: value.kind, reason, ...answer }
  return { kind: 'try-again', reason, ...storableNotBefore(value.notBeforeSeconds), ...answer }
}

/** What is to be kept for others must not vanish without a word. */
function readKept({ answer, file }: Outcome & { kind: 'delivered' }): {
  file?: MadeFile
  reason?: string
} {
  const value = answer?.value === undefined ? undefined : keepValue(answer.value)
  const made = file === undefined ? undefined : checkFile(file)
  const reasons = [
    value instanceof Error ? `its answer's value ${value.message}` : [],
    made instanceof Error ? `its file ${made.message}` : [],
  ].flat()
  return {
    ...(made && !(made instanceof Error) && { file: made }),
    ...(reasons.length > 0 && { reason: reasons.join('; ') }),
  }
}

/** A function that returns a moment (`Date.now()`) instead of seconds would park the order for millennia. */
function storableNotBefore(seconds: unknown): { notBeforeSeconds?: number } {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) return {}
  return { notBeforeSeconds: Math.min(seconds, maxRetryAfterSeconds) }
}

export function storableReason(reason: string): string {
  return storableText(reason, maxReasonBytes)
}

/** The message of whatever was thrown, never a stack. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return messageOf(thrown.errors[0])
  return thrown instanceof Error ? thrown.message : String(thrown)
}

function isOutcome(value: unknown): value is Outcome {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  if (value.kind === 'delivered') return true
  if (!('reason' in value) || typeof value.reason !== 'string') return false
  return value.kind === 'try-again' || value.kind === 'give-up' || value.kind === 'uncertain'
}
