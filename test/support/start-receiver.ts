import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that the receiver got. Times are ms of the machine's own clock, which all its processes share (`hrtime`). */
export type Received = {
  arrivedAt: number
  /** When its sender began the call, as it says in `x-begun-at` (nanoseconds). */
  begunAt: number
  /** Its sender's `x-worker`. */
  worker: string
}

/**
 * A receiver of a target's calls that counts the requests open at a time. It answers after `latencyMs`; null: when
 * `answer` is called.
 */
export async function startReceiver(latencyMs: number | null = null) {
  const received: Received[] = []
  const open = new Map<ServerResponse, Received>()
  let most = 0
  const server = createServer((request, response) => {
    const { 'x-begun-at': begun, 'x-worker': worker } = request.headers
    const call = {
      arrivedAt: Number(process.hrtime.bigint()) / 1e6,
      begunAt: Number(begun) / 1e6,
      worker: String(worker),
    }
    received.push(call)
    open.set(response, call)
    most = Math.max(most, open.size)
    // Answered, or its sender is gone.
    response.on('close', () => open.delete(response))
    request.resume()
    if (latencyMs !== null) setTimeout(() => response.end('{}'), latencyMs)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}/`,
    received,
    open: () => open.size,
    /** Open requests by worker. */
    openOf: (worker: string) => [...open.values()].filter((call) => call.worker === worker).length,
    /** Open at a time, since this was asked last. */
    most() {
      const answer = most
      most = open.size
      return answer
    },
    /** Answers so many open requests, oldest first; all when left out. From then on, as they come with `latencyMs`. */
    answer(count = open.size) {
      for (const response of [...open.keys()].slice(0, count)) {
        open.delete(response)
        response.end('{}')
      }
    },
    answerFromNowOn(ms: number) {
      latencyMs = ms
      this.answer()
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>
