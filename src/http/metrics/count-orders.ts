import type { FastifyInstance } from 'fastify'

/** What became of the orders sent to this process. */
export type OrderCounts = { accepted: number; replayed: number; refused: number }

/** Counts the answers to POST /orders. Must be called before the routes are added. */
export function countOrders(app: FastifyInstance): OrderCounts {
  const counts = { accepted: 0, replayed: 0, refused: 0 }
  app.addHook('onResponse', async (request, reply) => {
    if (request.method !== 'POST' || request.routeOptions.url !== '/orders') return
    if (reply.statusCode !== 202) counts.refused += 1
    else if (reply.hasHeader('idempotent-replayed')) counts.replayed += 1
    else counts.accepted += 1
  })
  return counts
}
