import type { FastifyInstance } from 'fastify'

/** One line per request when it is answered: no body, no query, no address. */
export function addRequestLog(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const line = {
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
      apiKeyId: request.apiKey?.id,
      orderId: request.orderId,
      code: request.problemCode,
    }
    // Health checks come every second and say nothing; scrapers not much less often.
    const quiet = ['/livez', '/readyz', '/metrics'].includes(line.route ?? '')
    request.log[quiet ? 'debug' : 'info'](line, 'request answered')
  })
}
