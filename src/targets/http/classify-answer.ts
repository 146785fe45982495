import { keepAnswer } from '#targets/keep-answer.ts'
import { delivered, giveUp, tryAgain, type Outcome } from '#targets/outcome.ts'

import { readRetryAfter } from './retry-after.ts'
import type { HttpAnswer } from './send-request.ts'

/**
 * What a status means when nobody says otherwise: 2xx is delivered; 408, 425, 429 and 5xx are tried
 * again, not before `Retry-After`; everything else will not get better by repeating.
 */
export function classifyAnswer(given: HttpAnswer): Outcome {
  const { status } = given
  if (status >= 200 && status < 300) return delivered(keepAnswer(given, 'delivered'))
  const answer = keepAnswer(given, 'give-up')
  if (status >= 300 && status < 400) {
    return giveUp(`answered ${status}: redirects are not followed`, answer)
  }
  if (!saysLater(status)) return giveUp(`answered ${status}`, answer)
  return tryAgain(`answered ${status}`, { answer, ...notBeforeOf(given) })
}

/**
 * `notBeforeSeconds` of an outcome, from `Retry-After` when there is one and the status is about the target: it
 * holds back the whole target, which a 404 or 409 of one order must not.
 */
export function notBeforeOf({ status, headers }: HttpAnswer): { notBeforeSeconds?: number } {
  if (!saysLater(status)) return {}
  const notBeforeSeconds = readRetryAfter(headers['retry-after'], new Date())
  return notBeforeSeconds === undefined ? {} : { notBeforeSeconds }
}

/** Statuses below 500 that say *later*, not *never*: timeout, too early, too many requests. */
const laterStatuses = new Set([408, 425, 429])

function saysLater(status: number): boolean {
  return status >= 500 || laterStatuses.has(status)
}
