import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from 'typebox'

import type { Db } from '#database/open-database.ts'
import { answerOnce } from '#http/answer-once.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { tidyReason } from '#http/tidy-reason.ts'
import { cancelOrder, type Cancelled } from '#orders/cancel-order.ts'

import { orderPath } from './order-answers.ts'

type CancellationRoutes = {
  db: Db
  requires: ReturnType<typeof createAuthenticator>
  /** Called after each commit that wrote a message; must not throw. */
  outboxChanged: () => void
}

/** POST /orders/{id}/cancellation. */
export function addCancellationRoutes(
  app: FastifyInstance,
  { db, requires, outboxChanged }: CancellationRoutes,
): void {
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'POST',
    url: '/orders/:id/cancellation',
    onRequest: requires('orders:write'),
    config: { invalidBody: 'invalid-body', bodyOptional: true },
    schema,
    async handler(request, reply) {
      // As the database spells it.
      const id = request.params.id.toLowerCase()
      request.orderId = id
      const reason = tidyReason(request.body?.reason)
      let isFirst = false
      const { body, isNew } = await answerOnce(db, { request, reply }, async (tx) => {
        const cancelled = await cancelOrder(tx, { id, reason })
        isFirst = cancelled.kind === 'cancelled' && cancelled.isNew
        return { status: 202, body: cancellationAnswer(id, cancelled) }
      })
      if (isNew && isFirst) outboxChanged()
      else void reply.header('idempotent-replayed', 'true')
      return body
    },
  })
}

function cancellationAnswer(orderId: string, cancelled: Cancelled) {
  switch (cancelled.kind) {
    case 'cancelled':
      return { orderId, ...cancelled.cancellation, links: { self: orderPath(orderId) } }
    case 'not-found':
      throw new HttpProblem('order-not-found')
    case 'too-late':
      throw new HttpProblem('order-not-cancellable', { detail: cancelled.why, orderId })
    default:
      return cancelled satisfies never
  }
}

const CancellationAnswer = Type.Object({
  orderId: Type.String({ format: 'uuid' }),
  externalId: Type.String(),
  messageId: Type.String({ format: 'uuid', description: 'Of the order.cancelled message.' }),
  cancelledAt: Type.String({ format: 'date-time' }),
  reason: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  links: Type.Object({ self: Type.String() }),
})
export type CancelledOrder = Static<typeof CancellationAnswer>

const schema = {
  tags: ['orders'],
  security: [{ apiKey: [] }],
  operationId: 'cancelOrder',
  summary: 'Cancel an order',
  description:
    'Answers as soon as it is on disk. Targets that were told of the order are told that it was cancelled, after what they have yet to be told before; those declared `withdrawWhenCancelled` that were not called yet are told nothing. While it is not known whether it was paid, nobody is told; what was charged is given back. Cancelling it again answers what the first cancellation did, and does nothing. An `Idempotency-Key` may be sent.',
  params: Type.Object({ id: uuid }),
  body: Type.Unsafe<{ reason?: string } | null>({
    type: ['object', 'null'],
    properties: {
      reason: {
        type: 'string',
        maxLength: 1_000,
        description: 'Given to the targets, as the message’s payload.',
      },
    },
    additionalProperties: false,
  }),
  response: {
    202: {
      description: 'The cancellation is on disk.',
      headers: {
        ...rateLimitHeaders,
        Location: { type: 'string', description: 'Where to read the order.' },
        'Idempotent-Replayed': {
          type: 'string',
          enum: ['true'],
          description: 'Present when it was cancelled before: nothing new was stored.',
        },
      },
      content: { 'application/json': { schema: CancellationAnswer } },
    },
    ...problemAnswers(
      ...usualProblems,
      'idempotency-key-invalid',
      'invalid-json',
      'request-timeout',
      'order-not-found',
      'order-not-cancellable',
      'request-in-progress',
      'body-too-large',
      'unsupported-media-type',
      'invalid-body',
      'idempotency-key-reused',
    ),
  },
}
