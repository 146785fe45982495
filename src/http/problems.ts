/** Every error the API answers, RFC 9457: `type` is `/problems/<code>`. The one place that knows their status. */
export const problems = {
  'bad-request': [400, 'The request is not HTTP as this server speaks it'],
  'invalid-json': [400, 'The body is not JSON'],
  'idempotency-key-required': [400, 'The Idempotency-Key header is missing'],
  'idempotency-key-invalid': [400, 'The Idempotency-Key header is malformed'],
  unauthorized: [401, 'No valid API key'],
  'payment-declined': [402, 'The payment was declined'],
  'missing-scope': [403, 'The API key may not do this'],
  'not-found': [404, 'Nothing here'],
  'order-not-found': [404, 'No such order'],
  'receipt-not-ready': [404, 'The receipt is not made yet'],
  'receipt-not-found': [404, 'The order has no receipt'],
  'message-not-found': [404, 'No such message'],
  'report-not-found': [404, 'No such report'],
  'report-not-ready': [404, 'The report is not made yet'],
  'dead-letter-not-found': [404, 'No such dead letter'],
  'replay-not-found': [404, 'No such replay'],
  'target-not-found': [404, 'No such target'],
  'method-not-allowed': [405, 'This path does not answer this method'],
  'request-timeout': [408, 'The request did not arrive in time'],
  'order-not-paid': [409, 'The order is not paid'],
  'order-not-cancellable': [409, 'The order cannot be cancelled any more'],
  'order-exists': [409, 'An order with this externalId exists'],
  'request-in-progress': [409, 'The same is being written by another request'],
  'request-not-editable': [409, 'What is sent for this order cannot be edited'],
  'nothing-to-replay': [409, 'No open dead letter is meant'],
  'replay-not-open': [409, 'The replay is not in a state for that'],
  'target-not-paused': [409, 'The target is not paused'],
  'report-deleted': [410, 'The report was deleted'],
  'report-expired': [410, 'The report has expired'],
  'body-too-large': [413, 'The body is larger than 256 KiB'],
  'uri-too-long': [414, 'The path is too long'],
  'unsupported-media-type': [415, 'The body must be application/json'],
  'range-not-satisfiable': [416, 'The file is shorter than the range begins'],
  'expectation-failed': [417, 'The Expect header cannot be met'],
  'invalid-order': [422, 'The order breaks at least one rule'],
  'invalid-message': [422, 'The message breaks at least one rule'],
  'invalid-report': [422, 'The report cannot be asked for like this'],
  'unknown-message-kind': [422, 'No such kind of message is declared'],
  'invalid-body': [422, 'The body breaks at least one rule'],
  'invalid-query': [422, 'The query breaks at least one rule'],
  'too-many-dead-letters': [422, 'More dead letters than one list takes'],
  'idempotency-key-reused': [422, 'The Idempotency-Key was used with another body'],
  'rate-limited': [429, 'Too many requests with this API key'],
  'too-many-reports': [429, 'This API key has too many reports'],
  'intake-overloaded': [429, 'More arrives than can be worked off'],
  'headers-too-large': [431, 'The headers are larger than 16 KiB'],
  'internal-error': [500, 'Something went wrong here'],
  'payment-unavailable': [503, 'The payment gateway cannot be asked'],
  'database-unavailable': [503, 'The database cannot be reached'],
  'too-many-unknown-keys': [503, 'The API key cannot be looked up now'],
  'too-many-listeners': [503, 'This process takes no more listeners'],
  'too-many-downloads': [503, 'This process sends as many files as it can'],
  'not-ready': [503, 'This process is not ready'],
  'shutting-down': [503, 'This process is shutting down'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemCode = keyof typeof problems

/** `pointer`: where in the body (RFC 6901); `parameter`: which of the query's. */
export type ProblemPart =
  | { pointer: string; detail: string }
  | { parameter: string; detail: string }

export type ProblemMembers = {
  detail?: string
  errors?: readonly ProblemPart[]
  /** `order-exists`, `order-not-cancellable`, `order-not-paid`: the order that is there; `payment-declined`: the one that was declined. */
  orderId?: string
  /** `payment-declined`: the gateway's code, for programs. */
  declineCode?: string
  /** `nothing-to-replay`: who was first, and when. */
  by?: string
  at?: string
  replayId?: string
  /** `internal-error`: what to look for in the log. */
  requestId?: string
}

export type Problem = ProblemMembers & {
  type: string
  title: string
  status: number
  code: ProblemCode
}

export const problemMediaType = 'application/problem+json; charset=utf-8'

export function problem(code: ProblemCode, members: ProblemMembers = {}): Problem {
  const [status, title] = problems[code]
  return { type: `/problems/${code}`, title, status, code, ...members }
}

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(problems, code)
}
