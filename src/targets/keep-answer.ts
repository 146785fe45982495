import { findErrorCode, isErrorCode } from '#targets/http/find-error-code.ts'
import { keepHeaders } from '#targets/http/keep-headers.ts'

import { keepValue } from './keep-value.ts'
import { keptAnswerBytes, type Answer, type Outcome } from './outcome.ts'
import { storableText } from './storable-text.ts'

// As much as is read of an answer (maxAnswerBytes). Longer ones come from a function of the configuration.
const mostToParse = 65_536

/**
 * What is kept of an answer: status, the first 4 KiB, the headers that matter, and the code of the error, looked
 * for in the body when it is not given. Of a delivered one, no code, and of its headers only what names it over
 * there, and the value for later targets. Whatever it is given, an HttpAnswer too, it does not throw.
 */
export function keepAnswer(given: Answer, kind: Outcome['kind']): Answer {
  try {
    const { status, text, headers } = given
    const kept: Answer = {}
    if (typeof status === 'number') kept.status = status
    if (typeof text === 'string') kept.text = storableText(text, keptAnswerBytes)
    const matter = keepHeaders(headers, kind)
    if (matter) kept.headers = matter
    const found = kind === 'delivered' ? undefined : codeOf(given)
    if (found !== undefined) kept.code = found
    if (kind !== 'delivered') return kept
    // Most answers have none, and an Error costs more than all of the above.
    const value = (given.value ?? undefined) === undefined ? undefined : keepValue(given.value)
    if (value !== undefined && !(value instanceof Error)) kept.value = value
    return kept
  } catch {
    // Code of others returns anything: a getter that throws, a proxy.
    return {}
  }
}

function codeOf({ status, text, code }: Answer): string | undefined {
  if (isErrorCode(code)) return code
  if (typeof text !== 'string' || text.length > mostToParse) return undefined
  return findErrorCode(text, status)
}
