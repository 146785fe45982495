import { createHash, timingSafeEqual } from 'node:crypto'

import type { FastifyInstance, FastifyRequest } from 'fastify'

import type { Deployment } from '#base/deployment.ts'
import type { Db } from '#database/open-database.ts'
import { problemAnswers } from '#http/describe-answers.ts'
import { HttpProblem } from '#http/http-problem.ts'

import type { OrderCounts } from './count-orders.ts'
import type { IntakeGate } from '#http/orders/intake-gate.ts'
import { readMetrics } from './read-metrics.ts'
import { remembering } from './remembering.ts'
import { expositionMediaType, writeExposition } from './write-exposition.ts'

type MetricsRoute = {
  db: Db
  orders: OrderCounts
  intake: IntakeGate['report']
  deployment: Deployment
  /** Who asks has to send it as a bearer token; undefined: anybody may ask. */
  token: string | undefined
  now?: (() => number) | undefined
}

// Scrapers ask every 15 s or so; several at once ask the database once.
const rememberMilliseconds = 2_000

/** GET /metrics, for Prometheus and its like. */
export function addMetricsRoute(app: FastifyInstance, route: MetricsRoute): void {
  const { db, orders, intake, deployment, token, now } = route
  const read = remembering(
    () => readMetrics(db, { orders, intake, deployment }),
    rememberMilliseconds,
    now,
  )
  app.get('/metrics', { schema }, async (request, reply) => {
    if (token !== undefined && !isBearer(request, token))
      throw new HttpProblem(
        'unauthorized',
        { detail: 'Send Authorization: Bearer <ORDERWHEEL_METRICS_TOKEN>.' },
        { 'www-authenticate': 'Bearer realm="orderwheel metrics"' },
      )
    const written = writeExposition(await read())
    return reply.header('cache-control', 'no-store').type(expositionMediaType).send(written)
  })
}

// Hashed first: comparing takes as long for any two texts.
function isBearer({ headers }: FastifyRequest, token: string): boolean {
  const sent = /^bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(sent), digest(token))
}

const schema = {
  operationId: 'metrics',
  summary: 'What Prometheus reads',
  tags: ['health'],
  response: {
    200: {
      description: 'In the text format, version 0.0.4.',
      content: { 'text/plain': { schema: { type: 'string' } } },
    },
    ...problemAnswers('unauthorized', 'database-unavailable', 'shutting-down'),
  },
}
