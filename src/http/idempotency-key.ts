import { HttpProblem } from './http-problem.ts'

/**
 * The Idempotency-Key of a request: 1 to 255 visible ASCII characters, bare or as a quoted string
 * (RFC 9651, with `\"` and `\\`). Both spellings are the same key.
 */
export function readIdempotencyKey(header: string | string[] | undefined): string {
  if (header === undefined || header === '') {
    throw new HttpProblem('idempotency-key-required', {
      detail:
        'Send a new Idempotency-Key (a UUID, say) with each new order, the same one when you repeat it.',
    })
  }
  // Two headers of this name arrive joined by a comma and a space, which no key may contain.
  const spelled = String(header)
  const key = spelled.startsWith('"') ? unquote(spelled) : spelled
  if (key === undefined || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new HttpProblem('idempotency-key-invalid', {
      detail: 'It must be 1 to 255 visible ASCII characters, bare or in double quotes.',
    })
  }
  return key
}

function unquote(spelled: string): string | undefined {
  const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(spelled)?.[1]
  return quoted?.replaceAll(/\\(["\\])/g, '$1')
}
