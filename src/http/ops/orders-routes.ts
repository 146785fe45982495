import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import { problemAnswers, usualProblems } from '#http/describe-answers.ts'
import { uuid, moment, limit, limitOf, readTimes } from '#http/fields.ts'
import { Order } from '#messages/order.ts'
import { listOrders } from '#orders/list-orders.ts'
import { orderStates, type OrderState } from '#orders/order-state.ts'

import { opsAnswer, opsSchema } from './overview-answers.ts'
import type { OpsRoutes } from './replays-routes.ts'

/** GET /ops/orders: finds orders by number, address, state and time. GET /orders/{id} has the whole of one. */
export function addOpsOrdersRoutes(app: FastifyInstance, { db, requires }: OpsRoutes): void {
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'GET',
    url: '/ops/orders',
    onRequest: requires('ops:read'),
    schema,
    handler: ({ query: { limit, ...search } }) =>
      listOrders(db, { ...readTimes(search), limit: limitOf(limit) }),
  })
}

const schema = {
  tags: ['operations'],
  security: [{ apiKey: [] }],
  operationId: 'listOrders',
  summary: 'Find orders, the newest first',
  description:
    'Answers within a second or so: with `email` or `state` it looks at some thousand orders, and a page may have few, or none, and yet a `next`. Nothing personal is answered.',
  querystring: Type.Object(
    {
      order: Type.Optional({
        ...Order.properties.externalId,
        description:
          'The storefront’s number, or our id. Declined orders are found by the number that they gave up.',
      }),
      email: Type.Optional({
        ...Order.properties.customer.properties.email,
        description: 'The customer’s, in any case.',
      }),
      state: Type.Optional(Type.Unsafe<OrderState>({ type: 'string', enum: [...orderStates] })),
      since: Type.Optional({ ...moment, description: 'Received then or later.' }),
      until: Type.Optional({ ...moment, description: 'Received before that.' }),
      limit,
      after: Type.Optional({ ...uuid, description: 'A page’s `next`.' }),
    },
    { additionalProperties: false },
  ),
  response: {
    200: opsAnswer(
      'A page.',
      Type.Object({
        orders: Type.Array(opsSchema('OrderSummary')),
        next: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      }),
    ),
    ...problemAnswers(...usualProblems, 'invalid-query'),
  },
}
