import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db } from '#database/open-database.ts'
import { answerOnce } from '#http/answer-once.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { suggestOneOf } from '#http/describe-invalid.ts'
import { uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { Order } from '#messages/order.ts'
import { isReserved, type OwnKinds } from '#messages/own-kinds.ts'
import { addOwnMessage } from '#orders/add-own-message.ts'
import { readMessage } from '#orders/read-message.ts'

import type { IntakeGate } from './intake-gate.ts'
import { messageAnswer, messagePath } from './message-answers.ts'

type MessageRoutes = {
  db: Db
  requires: ReturnType<typeof createAuthenticator>
  /** Of the configuration. */
  kinds: OwnKinds
  gate: IntakeGate
  /** Called after each commit that wrote a message; must not throw. */
  outboxChanged: () => void
}

/** POST /messages, GET /messages/{id}. */
export function addMessageRoutes(
  app: FastifyInstance,
  { db, requires, kinds, gate, outboxChanged }: MessageRoutes,
): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'POST',
    url: '/messages',
    onRequest: requires('messages:write'),
    config: { invalidBody: 'invalid-message' },
    schema: postSchema,
    async handler(request, reply) {
      const { kind, payload = {}, orderId, externalId } = request.body
      refuseWrong(kinds, { kind, payload })
      const about = whichOrder({ orderId, externalId })
      const { body, isNew } = await answerOnce(db, { request, reply }, async (tx) => {
        if (gate.isClosed()) throw gate.refuse()
        const added = await addOwnMessage(tx, { kind, payload, about })
        if (added.kind === 'no-such-order')
          throw invalid(
            about && 'id' in about ? '/orderId' : '/externalId',
            'there is no such order',
          )
        if (added.kind === 'not-paid')
          throw new HttpProblem('order-not-paid', {
            detail:
              added.payment === 'pending'
                ? 'It is not known yet whether it was paid, and nobody was told of it. Try again in a moment.'
                : 'Its payment was declined, and nobody was told of it.',
            orderId: added.orderId,
          })
        const { id, createdAt } = added
        const links = { self: messagePath(id) }
        const answer = { id, kind, orderId: added.orderId, state: 'received', createdAt, links }
        return { status: 202, body: answer }
      })
      request.orderId = body.orderId ?? undefined
      if (isNew) outboxChanged()
      return body
    },
  })

  routes.route({
    method: 'GET',
    url: '/messages/:id',
    onRequest: requires('orders:read'),
    config: { notFound: 'message-not-found' },
    schema: getSchema,
    async handler({ params }) {
      const story = await readMessage(db, params.id)
      if (!story) throw new HttpProblem('message-not-found')
      return messageAnswer(story)
    },
  })
}

/** Before anything else is done with it: what is nested too deep is not to be walked. */
function refuseWrong(kinds: OwnKinds, { kind, payload }: { kind: string; payload: unknown }): void {
  const own = isReserved(kind) ? undefined : kinds.get(kind)
  if (!own) throw new HttpProblem('unknown-message-kind', { errors: [unknownKind(kinds, kind)] })
  const errors = own
    .findMistakes(payload)
    .map(({ pointer, detail }) => ({ pointer: `/payload${pointer}`, detail }))
  if (errors.length > 0) throw new HttpProblem('invalid-message', { errors })
}

function unknownKind(kinds: OwnKinds, kind: string) {
  const declared = [...kinds.keys()].filter((name) => !isReserved(name))
  const detail = isReserved(kind)
    ? 'is told by Orderwheel itself: see POST /orders, POST /orders/{id}/cancellation and POST /reports'
    : `is not declared in the configuration${suggestOneOf(kind, declared)}`
  return { pointer: '/kind', detail }
}

function whichOrder({
  orderId,
  externalId,
}: {
  orderId: string | undefined
  externalId: string | undefined
}): { id: string } | { externalId: string } | null {
  if (orderId !== undefined && externalId !== undefined)
    throw invalid('/externalId', 'is not needed beside orderId')
  if (orderId !== undefined) return { id: orderId }
  return externalId === undefined ? null : { externalId }
}

function invalid(pointer: string, detail: string): HttpProblem {
  return new HttpProblem('invalid-message', { errors: [{ pointer, detail }] })
}

const described = { tags: ['messages'], security: [{ apiKey: [] }] }

const postSchema = {
  ...described,
  operationId: 'addMessage',
  summary: 'Tell targets of a message of your own',
  description:
    'Of a kind that the configuration declares. Answers as soon as it is on disk; the targets of its route are told afterwards. A message about an order is told after the order’s earlier ones; one about none waits for nothing. With an `Idempotency-Key`, which is kept for 7 days, repeating the request adds nothing.',
  body: Type.Object(
    {
      kind: Type.String({ minLength: 1, maxLength: 100, examples: ['stock.changed'] }),
      payload: Type.Optional(
        Type.Unknown({ description: 'As the kind’s schema says. Default {}.' }),
      ),
      orderId: Type.Optional(uuid),
      externalId: Type.Optional({ ...Order.properties.externalId }),
    },
    { additionalProperties: false },
  ),
  response: {
    202: {
      description: 'The message is on disk.',
      headers: {
        ...rateLimitHeaders,
        Location: { type: 'string', description: 'Where to read the message.' },
        'Idempotent-Replayed': {
          type: 'string',
          enum: ['true'],
          description: 'Present when the same request was answered before: nothing new was stored.',
        },
      },
      content: { 'application/json': { schema: { $ref: 'AddedMessage#' } } },
    },
    ...problemAnswers(
      ...usualProblems,
      'idempotency-key-invalid',
      'invalid-json',
      'request-timeout',
      'request-in-progress',
      'body-too-large',
      'unsupported-media-type',
      'invalid-message',
      'unknown-message-kind',
      'order-not-paid',
      'idempotency-key-reused',
      'intake-overloaded',
    ),
  },
}

const getSchema = {
  ...described,
  operationId: 'getMessage',
  summary: 'Read a message, its state and its deliveries',
  description: 'One of the kinds `order.…` is there once it is relayed; see `GET /orders/{id}`.',
  params: Type.Object({ id: uuid }),
  response: {
    200: {
      description: 'The message.',
      headers: rateLimitHeaders,
      content: { 'application/json': { schema: { $ref: 'MessageReport#' } } },
    },
    ...problemAnswers(...usualProblems, 'message-not-found'),
  },
}
