import { problemCodes, type ProblemCode } from './problem-codes.ts'
import { readRetryAfter } from './read-retry-after.ts'

/** `pointer`: where in the body (RFC 6901); `parameter`: which of the query's. */
export type ProblemPart = { pointer?: string; parameter?: string; detail: string }

/** What the API answered instead (RFC 9457). */
export class ProblemError extends Error {
  /** `unknown`: not an answer of an Orderwheel as this client knows it, a proxy's perhaps. */
  readonly code: ProblemCode | 'unknown'
  readonly type: string
  readonly status: number
  readonly title: string
  readonly detail: string | undefined
  /** For `invalid-order`: every field that breaks a rule. */
  readonly errors: readonly ProblemPart[]
  /** For `order-exists`: the order that is there. */
  readonly orderId: string | undefined
  /** For `payment-declined`: the gateway's own code for why, when it gave one. */
  readonly declineCode: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(answer: Response, body: unknown) {
    const said = isRecord(body) ? body : {}
    const title = textOf(said.title) ?? `HTTP ${answer.status}`
    const detail = textOf(said.detail)
    super(detail === undefined ? title : `${title}: ${detail}`)
    this.name = 'ProblemError'
    this.code = codeOf(said.code)
    this.type = textOf(said.type) ?? 'about:blank'
    this.status = answer.status
    this.title = title
    this.detail = detail
    this.errors = Array.isArray(said.errors) ? said.errors.filter(isPart) : []
    this.orderId = textOf(said.orderId)
    this.declineCode = textOf(said.declineCode)
    this.retryAfterSeconds = readRetryAfter(answer.headers.get('retry-after'))
  }

  /** Whether the same request may well be answered otherwise in a moment. */
  get mayBeRepeated(): boolean {
    if (this.code === 'request-in-progress') return true
    return this.nothingWasDone || (this.status >= 500 && this.status !== 501)
  }

  /** Whether the request it answers certainly took no effect. One in progress may be paid by now. */
  get nothingWasDone(): boolean {
    return this.code === 'payment-unavailable' || [408, 425, 429].includes(this.status)
  }
}

function codeOf(code: unknown): ProblemCode | 'unknown' {
  return problemCodes.find((known) => known === code) ?? 'unknown'
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function isPart(value: unknown): value is ProblemPart {
  return isRecord(value) && typeof value.detail === 'string'
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
