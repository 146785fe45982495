import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Type } from 'typebox'

import { isTransient } from '#database/transient-error.ts'
import { problemAnswers } from '#http/describe-answers.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { buyerStory, stepId, stepsAfter } from '#orders/buyer-story.ts'
import type { WatchedOrder } from '#orders/read-watched.ts'
import type { StatusLinks } from '#orders/status-links.ts'
import type { OrderWatch } from '#orders/watch-orders.ts'

import type { SentEvent } from './event-stream.ts'
import type { EventStreams } from './event-streams.ts'
import { followOrder } from './follow-order.ts'
import { laterPage, statusPage, statusPolicy, unknownPage } from './status-page.ts'
import { languageOf, sayTime, words } from './status-words.ts'

type StatusRoutes = { links: StatusLinks; watch: OrderWatch; streams: EventStreams }

/**
 * GET /status/{token}, a page for the buyer, and GET /status/{token}/events, which keeps it up to date. Whoever has
 * the link may see it: it shows the order's number, its states and when they were reached, and nothing else.
 */
export function addStatusRoutes(
  app: FastifyInstance,
  { links, watch, streams }: StatusRoutes,
): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'GET',
    url: '/status/:token',
    schema: pageSchema,
    async handler(request, reply) {
      const { token } = request.params
      // Of who has no order's language to be read in.
      const language = languageOf(request.headers['accept-language'])
      try {
        const id = await links.orderOf(token)
        const order = id === undefined ? undefined : await watch.read(id)
        if (!order || order.isForgotten) return sendPage(reply, 404, unknownPage(language))
        request.orderId = order.id
        return sendPage(reply, 200, pageOf(order, token))
      } catch (error) {
        if (!isTransient(error)) throw error
        return sendPage(reply.header('retry-after', '5'), 503, laterPage(language))
      }
    },
  })

  routes.route({
    method: 'GET',
    url: '/status/:token/events',
    exposeHeadRoute: false,
    schema: eventsSchema,
    async handler(request, reply) {
      const orderId = await links.orderOf(request.params.token)
      if (orderId === undefined) throw new HttpProblem('order-not-found')
      request.orderId = orderId
      const told = { id: request.headers['last-event-id'] ?? request.query.after ?? '' }
      // A shop's own page may show them: who has the link may see them, wherever.
      void reply.header('access-control-allow-origin', '*')
      await followOrder({
        watch: forBuyers(watch),
        streams,
        reply,
        orderId,
        listener: 'buyer',
        resumes: told.id !== '',
        eventsOf: (order) => eventsOf(order, told),
        isOver: (order) => buyerStory(order).isOver,
      })
      return reply
    },
  })
}

/** An order that was forgotten is gone. */
function forBuyers(watch: OrderWatch): OrderWatch {
  const shown = (order: WatchedOrder | undefined) => (order?.isForgotten ? undefined : order)
  return {
    ...watch,
    watch(orderId, changed) {
      const watcher = watch.watch(orderId, (order) => changed(shown(order)))
      return { ...watcher, first: watcher.first.then(shown) }
    },
  }
}

function pageOf(order: WatchedOrder, token: string): string {
  const { externalId: number, locale } = order
  const story = buyerStory(order)
  const last = story.steps.at(-1) ?? story.steps[0]
  // Relative, whatever path the shop has put in front.
  const events = `${token}/events?after=${stepId(story, last)}`
  return statusPage({
    number,
    language: languageOf(locale),
    locale,
    steps: story.steps,
    ...(!story.isOver && { events }),
  })
}

function* eventsOf(order: WatchedOrder, told: { id: string }): Generator<SentEvent, void> {
  const story = buyerStory(order)
  const said = words[languageOf(order.locale)]
  for (const step of stepsAfter(story, told.id)) {
    const { state, at } = step
    told.id = stepId(story, step)
    const data = { state, text: said[state], at, when: sayTime(at, order.locale) }
    yield { event: 'status', id: told.id, data }
  }
}

function sendPage(reply: FastifyReply, status: number, html: string): FastifyReply {
  return reply
    .code(status)
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': statusPolicy,
      'referrer-policy': 'no-referrer',
      'cache-control': 'private, no-store',
      'x-robots-tag': 'noindex, nofollow',
    })
    .send(html)
}

const params = Type.Object({
  token: Type.String({ description: 'Of the order’s `links.status`. Nobody can guess it.' }),
})

const html = (description: string) => ({
  description,
  content: { 'text/html': { schema: { type: 'string' } } },
})

const pageSchema = {
  tags: ['buyers'],
  operationId: 'showStatus',
  summary: 'Where an order is, as a page for its buyer',
  description:
    'Needs no key: whoever has the link may see it. Shows the order’s number, its states and when they were reached; in English, German or French, by the customer’s `locale`. Works without JavaScript.',
  params,
  response: {
    200: html('The page.'),
    404: html('No such link, or its order was forgotten.'),
    503: html('The database cannot be reached; the page asks again by itself.'),
  },
}

const eventsSchema = {
  tags: ['buyers'],
  operationId: 'followStatus',
  summary: 'Where an order is, as it happens',
  description:
    'Server-sent events: `status` with `{state, text, at, when}`, and `end` when nothing more will happen by itself. From the beginning, or from `Last-Event-ID`.',
  params,
  querystring: Type.Object({
    after: Type.Optional(
      Type.String({ maxLength: 50, description: 'As `Last-Event-ID`, for a first request.' }),
    ),
  }),
  headers: Type.Object({ 'Last-Event-ID': Type.Optional(Type.String()) }),
  response: {
    200: {
      description: 'The events.',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    },
    204: { description: 'Nothing more will happen: do not come back.', type: 'null' },
    ...problemAnswers(
      'bad-request',
      'order-not-found',
      'invalid-query',
      'internal-error',
      'database-unavailable',
      'too-many-listeners',
      'shutting-down',
    ),
  },
}
