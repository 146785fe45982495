import { getSystemErrorName } from 'node:util'

import { isErrorCode } from '#targets/http/find-error-code.ts'

import type { Answer } from './outcome.ts'

/** What is kept of a call that got no answer: the code of what was thrown, `ECONNREFUSED`, when it has one. */
export function keepThrown(thrown: unknown): Answer | undefined {
  try {
    const code = codeOfThrown(thrown)
    return isErrorCode(code) ? { code } : undefined
  } catch {
    // Code of others throws anything.
    return undefined
  }
}

type SystemError = Error & { code?: unknown; errno?: unknown }

function codeOfThrown(thrown: unknown): unknown {
  // A DOMException's code is a number from another age.
  if (!(thrown instanceof Error) || thrown instanceof DOMException) return undefined
  const code = systemCodeOf(thrown)
  if (code !== undefined) return code
  const inner: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown.cause
  return inner instanceof Error ? systemCodeOf(inner) : undefined
}

/** The code of an error; where nodemailer replaced the system's with one of its own, the system's. */
export function systemCodeOf({ code, errno }: SystemError): unknown {
  const replaced = code === 'ESOCKET' || code === 'EDNS' || code === 'ECONNECTION'
  const numbered = replaced && typeof errno === 'number' && errno < 0
  return numbered ? getSystemErrorName(errno) : code
}
