import type { FastifyReply, FastifyRequest } from 'fastify'

import { isTransient } from '#database/transient-error.ts'

import { HttpProblem } from './http-problem.ts'
import { problemMediaType } from './problems.ts'
import { describeInvalid, isInvalid } from './describe-invalid.ts'

/** The error handler of the whole API: any error, ours or not, becomes a problem, and only 5xx are logged as errors. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { problem, headers } = toHttpProblem(error, request)
  if (problem.status >= 500) {
    request.log.error({ err: error, code: problem.code }, 'request failed')
  }
  request.problemCode = problem.code
  void reply
    .code(problem.status)
    .headers({ 'cache-control': 'no-store', ...headers })
    .header('content-type', problemMediaType)
    .send(JSON.stringify(problem))
}

function toHttpProblem(error: unknown, request: FastifyRequest): HttpProblem {
  if (error instanceof HttpProblem) return error
  if (isInvalid(error)) return describeInvalid(error, request)
  // First: a client that hangs up is ECONNRESET, too, but with a status.
  const byFastify = fromFastify(error)
  if (byFastify) return byFastify
  if (isTransient(error)) return databaseUnavailable()
  return new HttpProblem('internal-error', { requestId: request.id })
}

/** A storefront that repeats with the same key is safe; a second is what a restart takes at least. */
function databaseUnavailable(): HttpProblem {
  const detail =
    'Whether the request took effect is unknown. Repeat it with the same Idempotency-Key.'
  return new HttpProblem('database-unavailable', { detail }, { 'retry-after': '1' })
}

// Fastify's own errors carry a status; what they say is about its insides, so we say it ourselves.
function fromFastify(error: unknown): HttpProblem | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined
  switch (error.statusCode) {
    case 413:
      return new HttpProblem('body-too-large')
    case 414:
      return new HttpProblem('uri-too-long')
    case 415:
      return new HttpProblem('unsupported-media-type', plainJson)
    default:
      return isClientError(error.statusCode)
        ? new HttpProblem('bad-request', clientErrorDetail(error))
        : undefined
  }
}

export const plainJson = { detail: 'Send Content-Type: application/json, not compressed.' }

function isClientError(status: unknown): boolean {
  return typeof status === 'number' && status >= 400 && status < 500
}

const details: Record<string, string> = {
  FST_ERR_BAD_URL: 'The path is not percent-encoded UTF-8.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as Content-Length says.',
}

function clientErrorDetail(error: Error & { code?: unknown }): { detail?: string } {
  const detail = typeof error.code === 'string' ? details[error.code] : undefined
  return detail === undefined ? {} : { detail }
}
