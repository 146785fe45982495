import { subscribe, unsubscribe } from 'node:diagnostics_channel'

export type HttpExchange = {
  method: string
  url: string
  headers: [name: string, value: string][]
  body: string
  answer?: { status: number; headers: [name: string, value: string][] }
}

/**
 * Collects the HTTP requests that this process makes until `stop` is called, as they go over the wire: undici tells
 * of each (its docs/api/DiagnosticsChannel.md).
 */
export function watchExchanges(): { exchanges: HttpExchange[]; stop: () => void } {
  const exchanges: HttpExchange[] = []
  const byRequest = new WeakMap<object, HttpExchange>()
  const onCreate = (message: unknown) => {
    const { request } = message as { request: UndiciRequest }
    const { origin, path, method, headers, body } = request
    const exchange = {
      method,
      url: `${String(origin)}${path}`,
      headers: pairs(headers),
      body: readBody(body),
    }
    byRequest.set(request, exchange)
    exchanges.push(exchange)
  }
  const onHeaders = (message: unknown) => {
    const { request, response } = message as { request: object; response: UndiciResponse }
    const exchange = byRequest.get(request)
    if (!exchange) return
    exchange.answer = { status: response.statusCode, headers: pairs(response.headers.map(String)) }
  }
  subscribe('undici:request:create', onCreate)
  subscribe('undici:request:headers', onHeaders)
  return {
    exchanges,
    stop() {
      unsubscribe('undici:request:create', onCreate)
      unsubscribe('undici:request:headers', onHeaders)
    },
  }
}

type UndiciRequest = {
  origin: string | URL
  path: string
  method: string
  headers: readonly string[]
  body: unknown
}
type UndiciResponse = { statusCode: number; headers: Buffer[] }

/** Names and values take turns. */
function pairs(flat: readonly string[]): [string, string][] {
  const found: [string, string][] = []
  for (let n = 0; n + 1 < flat.length; n += 2) found.push([flat[n] ?? '', flat[n + 1] ?? ''])
  return found
}

function readBody(body: unknown): string {
  if (body === null || body === undefined) return ''
  if (typeof body === 'string') return body
  return body instanceof Uint8Array ? Buffer.from(body).toString('utf8') : '(a stream)'
}
