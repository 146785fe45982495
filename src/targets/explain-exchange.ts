import { errors } from 'undici'

import { giveUp, tryAgain, uncertain, type Outcome } from './outcome.ts'
import { storableAnswer, storableReason } from './read-outcome.ts'
import { reasonOf } from './reason-of.ts'
import type { Exchange } from './send-request.ts'

/** The outcome of a request that got no whole answer. */
export function explainMissingAnswer(exchange: Exclude<Exchange, { kind: 'answered' }>): Outcome {
  const cause = reasonOf(exchange.error)
  if (isUnsendable(exchange.error)) return giveUp(storableReason(`cannot be sent: ${cause}`))
  if (exchange.kind === 'not-sent') return tryAgain(storableReason(`not sent: ${cause}`))
  if (!exchange.begun) return uncertain(storableReason(`sent, but no answer: ${cause}`))
  const { status, text } = exchange.begun
  return uncertain(
    storableReason(`answered ${status}, but the answer did not end: ${cause}`),
    storableAnswer({ status, text }),
  )
}

/** undici's word for a request it would never send, such as one with a Transfer-Encoding header of our own. */
function isUnsendable(error: unknown): boolean {
  return error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError
}
