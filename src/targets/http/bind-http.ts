import type { Dispatcher } from 'undici'

import { reasonOf } from '#targets/reason-of.ts'
import type { Call } from '#targets/target.ts'

import { encodeBody } from './encode-body.ts'
import { sendRequest, type Exchange, type HttpAnswer } from './send-request.ts'

/** Sends one request and resolves with whatever was answered. Throws RequestFailed when nothing was. */
export type BoundHttp = (request: {
  url: string
  /** POST when there is a body, else GET. */
  method?: string
  headers?: Readonly<Record<string, string>>
  /** A string or bytes go as they are, everything else as JSON. */
  body?: unknown
}) => Promise<HttpAnswer>

/** A request of a custom target that got no whole answer, because it was not sent or in spite of it. */
export class RequestFailed extends Error {
  readonly exchange: Exclude<Exchange, { kind: 'answered' }>

  constructor(exchange: Exclude<Exchange, { kind: 'answered' }>) {
    const what = exchange.kind === 'not-sent' ? 'not sent' : 'sent, but not answered'
    super(`${what}: ${reasonOf(exchange.error)}`)
    this.exchange = exchange
  }
}

/** `http` for one call: ends with the call's signal, and carries its Idempotency-Key when there is one. */
export function bindHttp(
  dispatcher: Dispatcher,
  { idempotencyKey, signal }: Pick<Call, 'signal'> & Partial<Pick<Call, 'idempotencyKey'>>,
): BoundHttp {
  return async ({ url, method, headers, body }) => {
    const { bytes, contentType } = encodeBody(body ?? null)
    const exchange = await sendRequest(
      dispatcher,
      {
        url: new URL(url),
        method: method ?? (bytes === null ? 'GET' : 'POST'),
        headers: {
          ...(contentType ? { 'content-type': contentType } : {}),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
          ...lowerCased(headers ?? {}),
        },
        body: bytes,
      },
      signal,
    )
    if (exchange.kind !== 'answered') throw new RequestFailed(exchange)
    return exchange.answer
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
}
