import { problems, type ProblemCode } from './problems.ts'

/** In the OpenAPI file, on every answer to a request with an API key. */
export const rateLimitHeaders = {
  'RateLimit-Policy': {
    type: 'string',
    description: 'The key’s limit in each api process: q requests in w seconds.',
  },
  RateLimit: { type: 'string', description: 'r requests left, t seconds until there are q again.' },
}

/** The response schemas of the problems a route can answer, by status. */
export function problemAnswers(...codes: ProblemCode[]): Record<number, object> {
  const byStatus = Map.groupBy(codes, (code) => problems[code][0])
  return Object.fromEntries(
    Array.from(byStatus, ([status, codes]) => [status, problemAnswer(status, codes)]),
  )
}

/** What any route with an API key can answer. */
export const usualProblems: readonly ProblemCode[] = [
  'bad-request',
  'unauthorized',
  'missing-scope',
  'rate-limited',
  'internal-error',
  'database-unavailable',
  'too-many-unknown-keys',
  'shutting-down',
]

function problemAnswer(status: number, codes: readonly ProblemCode[]) {
  return {
    description: codes.map((code) => `\`${code}\`: ${problems[code][1]}.`).join(' '),
    headers: headersOf(status, codes),
    content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
  }
}

function headersOf(status: number, codes: readonly ProblemCode[]): object {
  if (status === 401) return { 'WWW-Authenticate': { type: 'string', description: 'Bearer.' } }
  const saysWhen =
    [409, 429, 503].includes(status) || codes.some((code) => code.endsWith('-not-ready'))
  if (!saysWhen) return {}
  const retryAfter = { 'Retry-After': { type: 'integer', description: 'Seconds to wait.' } }
  return status === 429 ? { ...rateLimitHeaders, ...retryAfter } : retryAfter
}
