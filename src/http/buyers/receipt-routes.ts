import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db } from '#database/open-database.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import type { Routes } from '#messages/message-kinds.ts'
import { findReceipt, type FoundReceipt } from '#orders/find-receipt.ts'
import type { Target } from '#targets/target.ts'

type ReceiptRoutes = {
  db: Db
  requires: ReturnType<typeof createAuthenticator>
  targets: readonly Target[]
  routes: Routes
}

/** GET /orders/{id}/receipt. */
export function addReceiptRoutes(
  app: FastifyInstance,
  { db, requires, targets, routes }: ReceiptRoutes,
): void {
  const makers = targets.filter(({ kind }) => kind === 'receipt').map(({ name }) => name)
  const kinds = Object.entries(routes)
    .filter(([, told]) => told.some((name) => makers.includes(name)))
    .map(([kind]) => kind)
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'GET',
    url: '/orders/:id/receipt',
    onRequest: requires('orders:read'),
    schema,
    async handler(request, reply) {
      const orderId = request.params.id.toLowerCase()
      request.orderId = orderId
      const had = digestsOf(request.headers['if-none-match'])
      const found = await findReceipt(db, { orderId, targets: makers, kinds, had })
      const { name, contentType, digest, bytes } = receiptOf(found)
      // The buyer's own browser may keep it, and asks whether it is still the last one.
      void reply.headers({ etag: `"${digest}"`, 'cache-control': 'private, no-cache' })
      if (bytes === null || had.includes('*')) return reply.code(304).send()
      return reply
        .type(contentType)
        .header('content-disposition', `inline; filename="${name}"`)
        .send(bytes)
    },
  })
}

/** `"a", W/"b"` or `*`: RFC 9110, 13.1.2. */
function digestsOf(ifNoneMatch: string | undefined): string[] {
  if (ifNoneMatch?.trim() === '*') return ['*']
  return [...(ifNoneMatch ?? '').matchAll(/"([0-9a-f]{64})"/g)].map(([, digest = '']) => digest)
}

function receiptOf(found: FoundReceipt): FoundReceipt & { kind: 'receipt' } {
  switch (found.kind) {
    case 'receipt':
      return found
    case 'order-not-found':
      throw new HttpProblem('order-not-found')
    case 'not-ready': {
      const { detail, seconds } = waits[found.why]
      throw new HttpProblem('receipt-not-ready', { detail }, { 'retry-after': String(seconds) })
    }
    case 'none':
      throw new HttpProblem('receipt-not-found', {
        detail: found.forgotten
          ? 'The person who ordered was forgotten, and the receipt with them.'
          : 'None was or will be made of this order.',
      })
    default:
      return found satisfies never
  }
}

// Most are there within a second or two; what is repeated waits 5 s at first; what needs a person, longer.
const waits = {
  'on-its-way': { detail: 'It is being made.', seconds: 2 },
  retrying: { detail: 'Making it failed, and is tried again.', seconds: 10 },
  stuck: { detail: 'Making it failed, and waits for a person to look.', seconds: 300 },
}

const entityTag = { type: 'string', description: 'For If-None-Match; of its bytes.' }

const schema = {
  tags: ['orders'],
  security: [{ apiKey: [] }],
  operationId: 'getReceipt',
  summary: 'Download the receipt of an order',
  description:
    'The last one that was made: of a cancelled order, one that says so. Until it is there, 404 `receipt-not-ready` with `Retry-After`.',
  params: Type.Object({ id: uuid }),
  response: {
    200: {
      description: 'The receipt.',
      headers: {
        ...rateLimitHeaders,
        ETag: entityTag,
        'Content-Disposition': { type: 'string', description: 'With the name of the file.' },
      },
      content: {
        'application/pdf': {
          schema: { type: 'string', contentMediaType: 'application/pdf', format: 'binary' },
        },
      },
    },
    304: {
      description: 'The one with an ETag of If-None-Match is still the last.',
      headers: { ...rateLimitHeaders, ETag: entityTag },
    },
    ...problemAnswers(
      ...usualProblems,
      'order-not-found',
      'receipt-not-ready',
      'receipt-not-found',
    ),
  },
}
