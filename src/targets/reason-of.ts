import { isIP } from 'node:net'

import { systemCodeOf } from './keep-thrown.ts'

/**
 * What was thrown, as a reason: storefronts read it in the order. What went wrong and its code; never a stack, the
 * address of a system inside, or an excerpt of what it answered (`answer` keeps that, for operators).
 */
export function reasonOf(thrown: unknown): string {
  try {
    return explain(thrown)
  } catch {
    // A message that is an object, a cause that is its own: code of others throws anything.
    return 'what was thrown cannot be read'
  }
}

function explain(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return explain(thrown.errors[0])
  if (!(thrown instanceof Error)) return withoutAddresses(String(thrown))
  // A deadline and a worker that stops are the same: no more time.
  if (thrown instanceof DOMException) return 'out of time'
  // JSON.parse quotes what it was given.
  if (thrown instanceof SyntaxError) return 'what was read is not JSON, or not as it should be'
  // fetch says what happened in the cause only.
  if (thrown.message === 'fetch failed' && thrown.cause) return explain(thrown.cause)
  return reasonOfSystem(thrown) ?? withoutAddresses(thrown.message)
}

type SystemError = Error & { code?: unknown; errno?: unknown; syscall?: unknown }

/** `connect ECONNREFUSED`, `getaddrinfo ENOTFOUND`: Node's messages go on with the host, the port or the path. */
function reasonOfSystem(error: SystemError): string | undefined {
  const { code, syscall } = error
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the certificate is for another host (${code})`
  return typeof syscall === 'string' ? `${syscall} ${String(systemCodeOf(error))}` : undefined
}

function withoutAddresses(message: string): string {
  return message
    .replaceAll(/ \(attempted address[^)]*\)/g, '')
    .replaceAll(/\b[a-z]+:\/\/\S+/gi, '…')
    .replaceAll(/[\da-f[][\da-f.:\]]{2,}/gi, (word) => (isAddress(word) ? '…' : word))
}

function isAddress(word: string): boolean {
  const bare = word.replace(/[.:]+$/, '')
  return [bare, bare.replace(/:\d+$/, '')].some((host) => isIP(host.replaceAll(/[[\]]/g, '')) !== 0)
}
