import { delivered, giveUp, tryAgain, type Outcome } from './outcome.ts'
import { storableAnswer } from './read-outcome.ts'
import { readRetryAfter } from './retry-after.ts'
import type { HttpAnswer } from './send-request.ts'

/** Statuses below 500 that say *later*, not *never*: timeout, too early, too many requests. */
const laterStatuses = new Set([408, 425, 429])

/**
 * What a status means when nobody says otherwise: 2xx is delivered; 408, 425, 429 and 5xx are tried
 * again, not before `Retry-After`; everything else will not get better by repeating.
 */
export function classifyAnswer({ status, headers, text }: HttpAnswer): Outcome {
  const answer = storableAnswer({ status, text })
  if (status >= 200 && status < 300) return delivered(answer)
  if (status >= 300 && status < 400) {
    return giveUp(`answered ${status}: redirects are not followed`, answer)
  }
  if (status < 500 && !laterStatuses.has(status)) return giveUp(`answered ${status}`, answer)
  const notBeforeSeconds = readRetryAfter(headers['retry-after'], new Date())
  return tryAgain(`answered ${status}`, {
    answer,
    ...(notBeforeSeconds === undefined ? {} : { notBeforeSeconds }),
  })
}
