import { problems } from './problems.ts'

/** In the OpenAPI file, on every answer to a request with an API key. */
export const rateLimitHeaders = {
  'RateLimit-Policy': {
    type: 'string',
    description: 'The key’s limit in each api process: q requests in w seconds.',
  },
  RateLimit: { type: 'string', description: 'r requests left, t seconds until there are q again.' },
}

/** The response schemas of these statuses: which problems they can be, each linked to its explanation. */
export function problemAnswers(...statuses: number[]): Record<number, object> {
  return Object.fromEntries(statuses.map((status) => [status, problemAnswer(status)]))
}

function problemAnswer(status: number) {
  const codes = Object.entries(problems).filter(([, [code]]) => code === status)
  return {
    description: codes.map(([code, [, title]]) => `\`${code}\`: ${title}.`).join(' '),
    headers: headersOf(status),
    content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
  }
}

function headersOf(status: number): object {
  if (status === 401) {
    return { 'WWW-Authenticate': { type: 'string', description: 'Bearer.' } }
  }
  if (status === 429 || status === 503) {
    return { 'Retry-After': { type: 'integer', description: 'Seconds to wait.' } }
  }
  return {}
}
