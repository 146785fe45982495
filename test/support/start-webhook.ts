import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An address that alerts are told to; it answers `status`, which may be changed. */
export async function startWebhook() {
  const taken: Record<string, unknown>[] = []
  const webhook = { status: 200, asked: 0 }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      webhook.asked += 1
      if (webhook.status < 300) taken.push(JSON.parse(body) as Record<string, unknown>)
      response.writeHead(webhook.status, { location: '/elsewhere' }).end('ok')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(webhook, {
    url: `http://127.0.0.1:${port}/services/secret`,
    /** What it took, oldest first. */
    taken,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
}

export type Webhook = Awaited<ReturnType<typeof startWebhook>>
