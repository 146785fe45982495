import { keepAnswer } from '#targets/keep-answer.ts'
import type { Outcome } from '#targets/outcome.ts'
import { readOutcome } from '#targets/read-outcome.ts'

import { notBeforeOf } from './classify-answer.ts'
import type { HttpAnswer } from './send-request.ts'

/** What a function of the configuration says that an answer means, with what the answer says; undefined: no outcome. */
export function readAnswered(said: unknown, answer: HttpAnswer): Outcome | undefined {
  const outcome = readOutcome(said)
  if (!outcome) return undefined
  // Most who say *try again* have looked at the body only.
  const notBefore = outcome.kind === 'try-again' ? notBeforeOf(answer) : {}
  const kept = { ...keepAnswer(answer, outcome.kind), ...outcome.answer }
  return { ...notBefore, ...outcome, answer: kept }
}
