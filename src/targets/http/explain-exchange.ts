import { errors } from 'undici'

import { keepAnswer } from '#targets/keep-answer.ts'
import { keepThrown } from '#targets/keep-thrown.ts'
import { giveUp, tryAgain, uncertain, type Outcome } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'

import type { Exchange } from './send-request.ts'

/** The outcome of a request that got no whole answer. */
export function explainMissingAnswer(exchange: Exclude<Exchange, { kind: 'answered' }>): Outcome {
  const cause = reasonOf(exchange.error)
  const thrown = keepThrown(exchange.error)
  if (isUnsendable(exchange.error))
    return giveUp(storableReason(`cannot be sent: ${cause}`), thrown)
  if (exchange.kind === 'not-sent')
    return tryAgain(storableReason(`not sent: ${cause}`), thrown && { answer: thrown })
  if (!exchange.begun) return uncertain(storableReason(`sent, but no answer: ${cause}`), thrown)
  return uncertain(
    storableReason(`answered ${exchange.begun.status}, but the answer did not end: ${cause}`),
    { ...thrown, ...keepAnswer(exchange.begun, 'uncertain') },
  )
}

/** undici's word for a request it would never send, such as one with a Transfer-Encoding header of our own. */
function isUnsendable(error: unknown): boolean {
  return error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError
}
