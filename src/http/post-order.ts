import { hash } from 'node:crypto'

import type { FastifyReply, FastifyRequest } from 'fastify'

import type { Order } from '#messages/order.ts'
import { canonicalJson } from '#orders/canonical-json.ts'
import { brokenRules } from '#orders/order-rules.ts'
import type { OrderWriter, Placed } from '#orders/place-order.ts'
import type { StatusLinks } from '#orders/status-links.ts'

import { HttpProblem } from './http-problem.ts'
import { readIdempotencyKey } from './idempotency-key.ts'
import { orderPath, placedAnswer } from './order-answers.ts'

/** Checks the key before the body is read: a request without one is answered at once. */
export async function checkIdempotencyKey(request: FastifyRequest) {
  readIdempotencyKey(request.headers['idempotency-key'])
}

/** Answers POST /orders once the order is on disk. */
export function createPostOrder(writer: OrderWriter, links: StatusLinks) {
  return async function postOrder(
    request: FastifyRequest<{ Body: Order }>,
    reply: FastifyReply,
  ): Promise<string> {
    const order = request.body
    const errors = brokenRules(order, { gateway: false })
    if (errors.length > 0) throw new HttpProblem('invalid-order', { errors: errors.slice(0, 100) })
    const document = canonicalJson(order)
    const placed = await writer.place({
      apiKeyId: request.apiKey?.id ?? '',
      idempotencyKey: readIdempotencyKey(request.headers['idempotency-key']),
      fingerprint: hash('sha256', document, 'hex'),
      externalId: order.externalId,
      document,
    })
    const id = acceptedId(placed)
    request.orderId = id
    void reply
      .code(202)
      .header('location', orderPath(id))
      .header('content-type', 'application/json; charset=utf-8')
    if (placed.kind === 'replayed') void reply.header('idempotent-replayed', 'true')
    const status = await links.pathOf(id)
    return JSON.stringify(placedAnswer({ id, externalId: order.externalId, status }))
  }
}

function acceptedId(placed: Placed): string {
  if (placed.kind === 'placed' || placed.kind === 'replayed') return placed.id
  throw refusals[placed.kind]('id' in placed ? placed.id : '')
}

const refusals: Record<
  Exclude<Placed['kind'], 'placed' | 'replayed'>,
  (id: string) => HttpProblem
> = {
  'key-reused': () =>
    new HttpProblem('idempotency-key-reused', {
      detail: 'Use a new Idempotency-Key for a new order.',
    }),
  'order-exists': (id) =>
    new HttpProblem(
      'order-exists',
      { detail: 'It was sent with another Idempotency-Key.', orderId: id },
      { location: orderPath(id) },
    ),
  'in-progress': () =>
    new HttpProblem(
      'request-in-progress',
      { detail: 'Nothing was stored. Repeat the request with the same Idempotency-Key.' },
      { 'retry-after': '1' },
    ),
  overloaded: () =>
    new HttpProblem(
      'intake-overloaded',
      { detail: 'Nothing was stored. Repeat the request with the same Idempotency-Key.' },
      { 'retry-after': '1' },
    ),
}
