import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import { announceReplay, replayRates } from '#dead-letters/request-replay.ts'
import type { ReplayAction } from '#dead-letters/take-replay.ts'
import type { Db } from '#database/open-database.ts'

import { answerOnce } from './answer-once.ts'
import { askForReplay, requireReason, tidyReason } from './ask-for-replay.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from './describe-answers.ts'
import { HttpProblem } from './http-problem.ts'
import type { OpsRoutes } from './ops-replays-routes.ts'
import { uuid } from './replay-answers.ts'

/**
 * POST /ops/dead-letters/{id}/replay and /discard: each a list of one, which a worker works off in a moment. So this
 * process needs no queues, and one letter goes the same way, by the same rules, as a thousand.
 */
export function addOpsLetterDecisionsRoutes(
  app: FastifyInstance,
  { db, requires }: OpsRoutes,
): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()
  for (const action of ['replay', 'discard'] as const)
    routes.route({
      method: 'POST',
      url: `/ops/dead-letters/:id/${action}`,
      onRequest: requires('ops:write'),
      config: { invalidBody: 'invalid-body', notFound: 'dead-letter-not-found' },
      schema: schemas[action],
      async handler(request, reply) {
        const { id } = request.params
        const given = request.body?.reason
        const reason = action === 'discard' ? requireReason(given) : tidyReason(given)
        await refuseUnknown(db, id)
        const { body, isNew } = await answerOnce(db, { request, reply }, (tx) =>
          askForReplay(tx, {
            filter: { ids: [id] },
            action,
            who: request.apiKey?.name ?? '',
            reason,
            ratePerSecond: replayRates.usual,
          }),
        )
        if (isNew) await announceReplay(db, body.id)
        return body
      },
    })
}

async function refuseUnknown(db: Db, id: string): Promise<void> {
  const found = await db
    .selectFrom('orderwheel.dead_letters')
    .select('id')
    .where('id', '=', id)
    .executeTakeFirst()
  if (!found) throw new HttpProblem('dead-letter-not-found')
}

function schemaOf(action: ReplayAction, summary: string) {
  return {
    tags: ['operations'],
    security: [{ apiKey: [] }],
    operationId: `${action}DeadLetter`,
    summary,
    params: Type.Object({ id: uuid }),
    body: Type.Unsafe<{ reason?: string } | null>({
      type: ['object', 'null'],
      properties: { reason: { type: 'string', maxLength: 1_000 } },
      additionalProperties: false,
    }),
    response: {
      202: {
        description: 'A replay of this letter alone; a worker is told.',
        headers: rateLimitHeaders,
        content: { 'application/json': { schema: { $ref: 'Replay#' } } },
      },
      ...problemAnswers(
        ...usualProblems,
        'invalid-json',
        'invalid-body',
        'body-too-large',
        'unsupported-media-type',
        'request-timeout',
        'dead-letter-not-found',
        'nothing-to-replay',
        'idempotency-key-invalid',
        'idempotency-key-reused',
        'request-in-progress',
      ),
    },
  }
}

const schemas = {
  replay: schemaOf('replay', 'Give a dead letter a job again'),
  discard: schemaOf('discard', 'Give a dead letter up for good; needs a reason'),
}
