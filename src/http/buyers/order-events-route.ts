import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { uuid } from '#http/fields.ts'
import { isOver, orderChanges } from '#orders/order-changes.ts'
import type { WatchedOrder } from '#orders/read-watched.ts'
import { progressWriter, readProgress, type ToldProgress } from '#orders/told-progress.ts'
import type { OrderWatch } from '#orders/watch-orders.ts'

import type { SentEvent } from './event-stream.ts'
import type { EventStreams } from './event-streams.ts'
import { followOrder } from './follow-order.ts'

type OrderEvents = {
  watch: OrderWatch
  streams: EventStreams
  requires: ReturnType<typeof createAuthenticator>
}

/** GET /orders/{id}/events: each change of state from the beginning, or from where `Last-Event-ID` says. */
export function addOrderEventsRoute(
  app: FastifyInstance,
  { watch, streams, requires }: OrderEvents,
): void {
  // Listeners hold their connections for as long as we let them.
  app.addHook('preClose', async () => streams.endAll())
  app.addHook('onClose', () => watch.close())

  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'GET',
    url: '/orders/:id/events',
    // Fastify would run the handler for a HEAD, and wait for an end.
    exposeHeadRoute: false,
    onRequest: requires('orders:read'),
    schema,
    async handler(request, reply) {
      const orderId = request.params.id.toLowerCase()
      request.orderId = orderId
      const lastEventId = request.headers['last-event-id'] ?? ''
      let told: ToldProgress | undefined
      await followOrder({
        watch,
        streams,
        reply,
        orderId,
        listener: 'storefront',
        resumes: lastEventId !== '',
        eventsOf: (order) => eventsOf(order, (told ??= readProgress(lastEventId, order))),
        isOver: (order) => isOver(order, told?.state),
      })
      return reply
    },
  })
}

function* eventsOf(order: WatchedOrder, told: ToldProgress): Generator<SentEvent, void> {
  const write = progressWriter(order)
  for (const { event, ...data } of orderChanges(order, told)) yield { event, id: write(told), data }
}

const schema = {
  tags: ['orders'],
  security: [{ apiKey: [] }],
  operationId: 'followOrder',
  summary: 'Follow an order',
  description:
    'Server-sent events: `order` with `{state, at}`, `delivery` with `{target, message, state, attempt, reason, at}`, and `end` when nothing more will happen by itself. From the beginning, or from the event that `Last-Event-ID` names, exactly. A comment every 15 s; after 15 minutes at most the stream ends, to be resumed.',
  params: Type.Object({ id: uuid }),
  headers: Type.Object({
    'Last-Event-ID': Type.Optional(
      Type.String({ description: 'The `id` of the last event that was received.' }),
    ),
  }),
  response: {
    200: {
      description: 'The events.',
      headers: rateLimitHeaders,
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    },
    204: { description: 'Nothing more will happen: do not come back.', type: 'null' },
    ...problemAnswers(...usualProblems, 'order-not-found', 'too-many-listeners'),
  },
}
