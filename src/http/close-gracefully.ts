import type { FastifyInstance } from 'fastify'

import type { OrderWriter } from '#orders/place-order.ts'

import { HttpProblem } from './http-problem.ts'

/**
 * While closing: requests under way finish and their connections close with the answer, new ones hear 503,
 * and the orders that wait are written.
 */
export function closeGracefully(app: FastifyInstance, writer: OrderWriter) {
  let closing = false

  app.addHook('preClose', async () => {
    closing = true
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
