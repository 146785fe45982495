import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

import type { FastifyInstance } from 'fastify'

import type { OrderWriter } from '#orders/place-order.ts'

import { HttpProblem } from './http-problem.ts'

/**
 * While closing: requests under way finish and their connections close with the answer, new ones hear 503,
 * the orders that wait are written. Connections without a request are closed at once, those whose request
 * has not been answered after `closeTimeoutSeconds` then.
 */
export function closeGracefully(
  app: FastifyInstance,
  { writer, closeTimeoutSeconds }: { writer: OrderWriter; closeTimeoutSeconds: number },
) {
  let closing = false
  const quietSockets = trackQuietSockets(app)

  app.addHook('preClose', async () => {
    closing = true
    // Node stops looking for slow requests when it closes, and would wait for a silent connection for ever.
    for (const socket of quietSockets) socket.destroy()
    setTimeout(() => app.server.closeAllConnections(), closeTimeoutSeconds * 1_000).unref()
  })

  app.addHook('onRequest', async () => {
    if (!closing) return
    const detail = 'Repeat the request; another process answers it.'
    throw new HttpProblem('shutting-down', { detail }, { 'retry-after': '1' })
  })

  app.addHook('onSend', async (_request, reply) => {
    if (closing) void reply.header('connection', 'close')
  })

  // After the last request was answered.
  app.addHook('onClose', () => writer.close())

  return { isClosing: () => closing }
}

/** The connections on which no request is being answered, kept up to date. */
function trackQuietSockets({ server }: FastifyInstance): ReadonlySet<Socket> {
  const quiet = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    quiet.add(socket)
    socket.once('close', () => quiet.delete(socket))
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    quiet.delete(socket)
    response.once('close', () => {
      if (!socket.destroyed) quiet.add(socket)
    })
  })
  return quiet
}
