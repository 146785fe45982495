import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db } from '#database/open-database.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { refuseOversizedOrder } from '#http/refuse-oversized.ts'
import { Order } from '#messages/order.ts'
import type { NewOrder } from '#orders/insert-orders.ts'
import type { OrderWriter } from '#orders/place-order.ts'
import { readOrder, type OrderReport } from '#orders/read-order.ts'
import type { StatusLinks } from '#orders/status-links.ts'
import type { PlacePaidOrder } from '#payments/place-paid-order.ts'

import type { IntakeGate } from './intake-gate.ts'
import { orderAnswer } from './order-answers.ts'
import { checkIdempotencyKey, createPostOrder } from './post-order.ts'

type OrderRoutes = {
  db: Db
  writer: OrderWriter
  links: StatusLinks
  /** Absent: no payment gateway is configured. */
  placePaid: PlacePaidOrder | undefined
  gate: IntakeGate
  isKnown: (order: NewOrder) => Promise<boolean>
  requires: ReturnType<typeof createAuthenticator>
}

/** POST /orders, GET /orders/{id}, GET /orders?externalId=. */
export function addOrderRoutes(
  app: FastifyInstance,
  { db, writer, requires, ...posting }: OrderRoutes,
): void {
  const { links } = posting
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'POST',
    url: '/orders',
    onRequest: [requires('orders:write'), checkIdempotencyKey],
    preValidation: refuseOversizedOrder,
    schema: postOrderSchema,
    handler: createPostOrder(writer, posting),
  })

  routes.route({
    method: 'GET',
    url: '/orders/:id',
    onRequest: requires('orders:read'),
    schema: getOrderSchema,
    async handler(request) {
      return answer(links, await readOrder(db, request.params))
    },
  })

  routes.route({
    method: 'GET',
    url: '/orders',
    onRequest: requires('orders:read'),
    schema: findOrderSchema,
    async handler(request) {
      return answer(links, await readOrder(db, request.query))
    },
  })
}

async function answer(links: StatusLinks, report: OrderReport | undefined) {
  if (!report) throw new HttpProblem('order-not-found')
  return orderAnswer(report, await links.pathOf(report.id))
}

const described = { tags: ['orders'], security: [{ apiKey: [] }] }

const postOrderSchema = {
  ...described,
  operationId: 'placeOrder',
  summary: 'Place an order',
  description:
    'Answers as soon as the order is on disk; the targets are told afterwards. Repeat a request that got no answer, 429 or 503 with the same Idempotency-Key: the order is placed once. A key is good for as long as its order is kept. With `payment.token`, the answer waits for the payment: 402 when it was declined; state `awaiting-payment` when the gateway did not say in time, which the same request again, or GET, answers later; `cancelled` when it was cancelled meanwhile.',
  headers: Type.Object({
    'Idempotency-Key': Type.String({
      description: '1–255 visible ASCII characters, bare or in double quotes.',
      examples: ['0199c7b2-6f0e-7c3a-9d43-2f1f5a1d9b10'],
    }),
  }),
  body: { $ref: 'Order#' },
  response: {
    202: {
      description: 'The order is on disk.',
      headers: {
        ...rateLimitHeaders,
        Location: { type: 'string', description: 'Where to read the order.' },
        'Idempotent-Replayed': {
          type: 'string',
          enum: ['true'],
          description: 'Present when the same request was answered before: nothing new was stored.',
        },
      },
      content: { 'application/json': { schema: { $ref: 'PlacedOrder#' } } },
    },
    ...problemAnswers(
      ...usualProblems,
      'idempotency-key-required',
      'idempotency-key-invalid',
      'invalid-json',
      'payment-declined',
      'payment-unavailable',
      'request-timeout',
      'order-exists',
      'request-in-progress',
      'body-too-large',
      'unsupported-media-type',
      'invalid-order',
      'idempotency-key-reused',
      'intake-overloaded',
    ),
  },
}

const found = {
  description: 'The order.',
  headers: rateLimitHeaders,
  content: { 'application/json': { schema: { $ref: 'OrderReport#' } } },
}

// The format alone admits urn:uuid:…, too, which PostgreSQL does not read.

const getOrderSchema = {
  ...described,
  operationId: 'getOrder',
  summary: 'Read an order, its state and its deliveries',
  params: Type.Object({ id: uuid }),
  response: { 200: found, ...problemAnswers(...usualProblems, 'order-not-found') },
}

const findOrderSchema = {
  ...described,
  operationId: 'findOrder',
  summary: 'Read an order by the storefront’s own number',
  querystring: Type.Object(
    { externalId: { ...Order.properties.externalId, examples: ['WEB-10042'] } },
    { additionalProperties: false },
  ),
  response: {
    200: found,
    ...problemAnswers(...usualProblems, 'order-not-found', 'invalid-query'),
  },
}
