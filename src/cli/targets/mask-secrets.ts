import { spellings } from './spellings.ts'
import type { HttpExchange } from './watch-exchanges.ts'

const hidden = '***'

/** Header names whose values let somebody in. An Idempotency-Key does not, and is what one looks for. */
const secretHeader = /auth|token|secret|password|cookie|signature|(^|[-_])key$/i
const secretVariable = /auth|token|secret|pass|cred|(^|_)key($|_)/i

/** A request and its answer without what must not be shown: logins, tokens, and values of variables that are secrets. */
export function maskExchange(
  exchange: HttpExchange,
  variables: Readonly<Record<string, string | undefined>>,
): HttpExchange {
  const mask = maskValues(variables)
  const headers = (given: HttpExchange['headers']): HttpExchange['headers'] =>
    given.map(([name, value]) => [name, isSecret(name, value) ? hidden : mask(value)])
  const { answer } = exchange
  return {
    ...exchange,
    url: maskUrl(mask(exchange.url)),
    headers: headers(exchange.headers),
    body: mask(exchange.body),
    ...(answer && { answer: { ...answer, headers: headers(answer.headers) } }),
  }
}

function isSecret(name: string, value: string): boolean {
  return (
    (secretHeader.test(name) && name.toLowerCase() !== 'idempotency-key') ||
    /^(basic|bearer|digest) /i.test(value)
  )
}

/**
 * Puts *** for the values of variables whose name says that they are secrets, and for their words, wherever they are
 * and however they are spelled there.
 */
export function maskValues(
  variables: Readonly<Record<string, string | undefined>>,
): (text: string) => string {
  const secrets = Object.entries(variables)
    .flatMap(([name, value]) =>
      value && secretVariable.test(name) ? [value, ...value.split(' ')] : [],
    )
    // Shorter ones are words, and no secrets worth the name.
    .filter(({ length }) => length >= 6)
    // Of two that begin alike, the whole one.
    .toSorted((one, other) => other.length - one.length)
  if (secrets.length === 0) return (text) => text
  const spelled = new RegExp([...new Set(secrets)].map(spellings).join('|'), 'g')
  return (text) => text.replaceAll(spelled, hidden)
}

/** Keys are sent in a query as well. */
function maskUrl(text: string): string {
  const url = URL.parse(text)
  if (!url) return text
  const query = url.search ? `?${hidden}` : ''
  return `${url.protocol}//${url.host}${url.pathname}${query}`
}
