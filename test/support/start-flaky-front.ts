import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What a front makes of a request that comes through it. */
export type Mishap = 'lose-answer' | 'refuse' | 'cut-short' | 'pass'

export type Passed = { idempotencyKey: string | undefined; atMs: number; mishap: Mishap }

/**
 * A bad proxy in front of an API: the first requests meet these mishaps one after the other, the rest pass. `refuse`
 * is a page with 503 and `Retry-After: 1`, before the API heard of it; the other two come after it has answered. Of a
stream of events, `cut-short` passes the first half.
 */
export async function startFlakyFront(api: string, mishaps: readonly Mishap[]) {
  const waiting = [...mishaps]
  const passed: Passed[] = []
  const server = createServer((request, response) => {
    const mishap = waiting.shift() ?? 'pass'
    const key = request.headers['idempotency-key']
    passed.push({ idempotencyKey: key?.toString(), atMs: performance.now(), mishap })
    void answer(api, mishap, { request, response })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    passed,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(
  api: string,
  mishap: Mishap,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const body = await buffer(request)
  if (mishap === 'refuse') {
    response.writeHead(503, { 'retry-after': '1', 'content-type': 'text/html' })
    response.end('<h1>Service Unavailable</h1>')
    return
  }
  const { authorization = '', 'idempotency-key': key = '', ...others } = request.headers
  const lastEventId = others['last-event-id']
  const { method = '', url = '' } = request
  const headers = {
    authorization,
    ...(key === '' ? {} : { 'idempotency-key': key.toString() }),
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId.toString() }),
    ...(method === 'POST' && { 'content-type': 'application/json' }),
  }
  const answered = await fetch(`${api}${url}`, {
    method,
    headers,
    ...(method === 'POST' && { body }),
  })
  const text = Buffer.from(await answered.arrayBuffer())
  if (mishap === 'lose-answer') {
    response.destroy()
    return
  }
  const type = answered.headers.get('content-type') ?? ''
  const cutAt = type.startsWith('text/event-stream') ? text.length / 2 : text.length - 5
  const sent = mishap === 'cut-short' ? text.subarray(0, cutAt) : text
  response.writeHead(answered.status, { 'content-type': type })
  response.end(sent)
}
