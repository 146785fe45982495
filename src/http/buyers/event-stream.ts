import type { ServerResponse } from 'node:http'

import type { FastifyReply } from 'fastify'

/** Server-sent events on their way to one listener. */
export type EventStream = {
  /** Sends an event and says whether there is room for another: when not, wait for `onRoom`. */
  send: (event: SentEvent) => boolean
  /** A comment, so that nobody in between takes the connection for dead. */
  beat: () => void
  /** The listener comes back by itself, unless it was told not to. */
  end: () => void
}

export type SentEvent = { event: string; id?: string; data: object }

export type StreamHooks = {
  /** The listener has taken what was sent: there is room again. */
  onRoom: () => void
  /** However it ended; called once. */
  onEnd: () => void
}

// Who does not read for so long is gone, or wants the rest to wait in our memory.
const patienceMs = 60_000

/** Takes the response over from Fastify, with the headers it has so far. */
export function openEventStream(reply: FastifyReply, { onRoom, onEnd }: StreamHooks): EventStream {
  reply.hijack()
  const response: ServerResponse = reply.raw
  let impatience: NodeJS.Timeout | undefined
  response.on('drain', () => {
    clearTimeout(impatience)
    impatience = undefined
    onRoom()
  })
  response.once('close', () => {
    clearTimeout(impatience)
    onEnd()
  })
  response.writeHead(200, {
    ...headersOf(reply),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    // nginx and those who copied it would keep the events until there are many.
    'x-accel-buffering': 'no',
    // It is never reused, and stopping need not look for it.
    connection: 'close',
  })
  // Not all at the same moment when a process with thousands of them ends.
  write(`retry: ${Math.round(1_000 + Math.random() * 4_000)}\n\n`)

  function write(text: string): boolean {
    if (response.destroyed || response.writableEnded) return false
    const hasRoom = response.write(text)
    if (!hasRoom) impatience ??= setTimeout(() => response.destroy(), patienceMs).unref()
    return hasRoom
  }

  return {
    send({ event, id, data }) {
      const lines = [`event: ${event}`, ...(id === undefined ? [] : [`id: ${id}`])]
      // JSON without line breaks: one line of data.
      return write(`${lines.join('\n')}\ndata: ${JSON.stringify(data)}\n\n`)
    },
    beat() {
      if (!response.writableNeedDrain) write(':\n\n')
    },
    end() {
      if (!response.destroyed && !response.writableEnded) response.end()
    },
  }
}

function headersOf(reply: FastifyReply): Record<string, string> {
  const headers = Object.entries(reply.getHeaders())
  return Object.fromEntries(headers.map(([name, value]) => [name, String(value)]))
}
