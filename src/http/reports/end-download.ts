import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream'

/** A response, and the request that asked for it. */
type Exchange = { request: IncomingMessage; response: ServerResponse }

/**
 * Calls `onEnd` when a response is sent, or nobody is left to take it; perhaps more than once.
 *
 * A response behind others on its connection has no socket yet. In the first versions of Node 24 it does not notice when that
 * closes (24.21 does); its request does.
 */
export function whenEnded({ request, response }: Exchange, onEnd: () => void): void {
  const endWithConnection = () => {
    if (request.socket.destroyed) onEnd()
  }
  finished(response, onEnd)
  request.once('close', endWithConnection)
  endWithConnection()
}

/**
 * Closes the connection when nothing of a response that waits to be taken was taken for so long. Bytes that come in, which
 * keep a socket's own clock from running down, count for nothing.
 */
export function endWhenStalled(exchange: Exchange, patienceSeconds: number): void {
  const { response } = exchange
  const impatience = setTimeout(() => {
    // Behind others on its connection, it has not begun; and it may be the database that is slow.
    const isOffered = response.socket && (response.writableNeedDrain || response.writableEnded)
    if (isOffered) response.destroy()
    else impatience.refresh()
  }, patienceSeconds * 1_000).unref()
  for (const event of ['drain', 'socket']) response.on(event, () => impatience.refresh())
  whenEnded(exchange, () => clearTimeout(impatience))
}
