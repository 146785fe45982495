import type { Outcome } from '#targets/outcome.ts'
import { storableText } from '#targets/storable-text.ts'

/** What an answer is called over there: the first thing that the other side's support asks for. */
const names = [
  'location',
  'x-request-id',
  'request-id',
  'x-correlation-id',
  'correlation-id',
  'x-trace-id',
  'traceparent',
  'x-amzn-requestid',
  'x-amz-request-id',
  'x-ms-request-id',
  'x-shopify-request-id',
  'cf-ray',
]

/** What explains a refusal. Nothing that may be a secret: no cookies, no tokens. */
const explaining = [
  'content-type',
  'retry-after',
  'www-authenticate',
  'server',
  'allow',
  'ratelimit',
  'ratelimit-policy',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
]

const naming = new Set(names)
const all = new Set([...names, ...explaining])

const maxHeaderBytes = 300

/** The headers that matter; undefined when there are none. Names must be in lower case. */
export function keepHeaders(
  headers: unknown,
  kind: Outcome['kind'],
): Record<string, string> | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined
  const wanted = kind === 'delivered' ? naming : all
  let kept: Record<string, string> | undefined
  for (const name in headers) {
    if (!wanted.has(name)) continue
    const value: unknown = (headers as Record<string, unknown>)[name]
    if (typeof value !== 'string') continue
    kept ??= {}
    kept[name] = storableText(name === 'location' ? withoutSecrets(value) : value, maxHeaderBytes)
  }
  return kept
}

/** A place may be signed in its query, and name a login. */
function withoutSecrets(location: string): string {
  return location.replace(/[?#].*$/s, '?…').replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/@]*@/i, '$1//')
}
