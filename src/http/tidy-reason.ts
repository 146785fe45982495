import { printable } from '#base/printable.ts'

import { HttpProblem } from './http-problem.ts'

/** The reason in one line; null when none was given. */
export function tidyReason(reason: string | undefined): string | null {
  const tidy = printable((reason ?? '').replace(/\s+/g, ' ').trim())
  return tidy === '' ? null : tidy
}

/** Nothing is given up for good without saying why. */
export function requireReason(reason: string | undefined): string {
  const tidy = tidyReason(reason)
  if (tidy !== null) return tidy
  throw new HttpProblem('invalid-body', { errors: [{ pointer: '/reason', detail: 'is required' }] })
}
