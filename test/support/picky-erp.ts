import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export type PickyCall = { headers: IncomingHttpHeaders; body: string; status: number }

/** An ERP that answers 422 to what `accepts` does not like. */
export async function startPickyErp(accepts: (body: string) => boolean) {
  const calls: PickyCall[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const status = accepts(body) ? 201 : 422
      calls.push({ headers: request.headers, body, status })
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(status === 201 ? '{}' : '{"error":{"code":"UNKNOWN_SKU"}}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/orders`,
    calls,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export type PickyErp = Awaited<ReturnType<typeof startPickyErp>>
