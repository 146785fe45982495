import type { FastifyInstance } from 'fastify'

import type { Deployment } from '#base/deployment.ts'
import type { Db } from '#database/open-database.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, usualProblems } from '#http/describe-answers.ts'

import { opsAnswer, opsSchema } from './overview-answers.ts'
import { readOverview } from './read-overview.ts'

type OverviewRoutes = {
  db: Db
  requires: ReturnType<typeof createAuthenticator>
  deployment: Deployment
}

/** GET /ops/overview: what the first page of a console shows. */
export function addOpsOverviewRoutes(
  app: FastifyInstance,
  { db, requires, deployment }: OverviewRoutes,
): void {
  app.route({
    method: 'GET',
    url: '/ops/overview',
    onRequest: requires('ops:read'),
    schema: {
      tags: ['operations'],
      security: [{ apiKey: [] }],
      operationId: 'getOverview',
      summary: 'The shop at a glance: intake, outbox, targets, verification, alerts',
      description:
        'Costs the same whatever the number of orders: it may be asked for every few seconds.',
      response: {
        200: opsAnswer('How it is now.', opsSchema('Overview')),
        ...problemAnswers(...usualProblems),
      },
    },
    handler: () => readOverview(db, deployment),
  })
}
