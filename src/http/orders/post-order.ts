import { hash } from 'node:crypto'

import type { FastifyReply, FastifyRequest } from 'fastify'

import { HttpProblem } from '#http/http-problem.ts'
import { readIdempotencyKey } from '#http/idempotency-key.ts'
import type { Order } from '#messages/order.ts'
import { canonicalJson } from '#orders/canonical-json.ts'
import type { NewOrder } from '#orders/insert-orders.ts'
import { brokenRules } from '#orders/order-rules.ts'
import type { OrderWriter, Placed } from '#orders/place-order.ts'
import type { StatusLinks } from '#orders/status-links.ts'
import type { PaidAccepted, PaidPlaced, PlacePaidOrder } from '#payments/place-paid-order.ts'

import type { IntakeGate } from './intake-gate.ts'
import { orderPath, placedAnswer, type PlacedState } from './order-answers.ts'
import { refusePaid, stateOfPaid } from './paid-answers.ts'
import { refusePlaced } from './placed-answers.ts'

/** Checks the key before the body is read: a request without one is answered at once. */
export async function checkIdempotencyKey(request: FastifyRequest) {
  readIdempotencyKey(request.headers['idempotency-key'])
}

type PostOrder = {
  links: StatusLinks
  placePaid: PlacePaidOrder | undefined
  gate: IntakeGate
  isKnown: (order: NewOrder) => Promise<boolean>
}

/** Answers POST /orders once the order is on disk and, when it is paid here, its payment's result is known. */
export function createPostOrder(
  writer: OrderWriter,
  { links, placePaid, gate, isKnown }: PostOrder,
) {
  return async function postOrder(
    request: FastifyRequest<{ Body: Order }>,
    reply: FastifyReply,
  ): Promise<string> {
    const order = request.body
    const errors = brokenRules(order, { gateway: placePaid !== undefined })
    if (errors.length > 0) throw new HttpProblem('invalid-order', { errors: errors.slice(0, 100) })
    // What was taken before is answered as ever.
    if (gate.isClosed() && !(await isKnown(newOrderOf(request)))) throw gate.refuse()
    const { token } = order.payment
    const { id, state, replayed, isForgotten } =
      placePaid && token !== undefined
        ? await pay(placePaid, request, token)
        : await place(writer, request)
    request.orderId = id
    void reply
      .code(202)
      .header('location', orderPath(id))
      .header('content-type', 'application/json; charset=utf-8')
    if (replayed) void reply.header('idempotent-replayed', 'true')
    const status = isForgotten ? undefined : await links.pathOf(id)
    return JSON.stringify(placedAnswer({ id, externalId: order.externalId, state, status }))
  }
}

type Accepted = { id: string; state: PlacedState; replayed: boolean; isForgotten: boolean }

async function place(
  writer: OrderWriter,
  request: FastifyRequest<{ Body: Order }>,
): Promise<Accepted> {
  const placed = await writer.place(newOrderOf(request))
  if (!isAccepted(placed)) throw refusePlaced(placed)
  const { id } = placed
  const replayed = placed.kind === 'replayed'
  return { id, state: 'received', replayed, isForgotten: replayed && placed.isForgotten }
}

async function pay(
  placePaid: PlacePaidOrder,
  request: FastifyRequest<{ Body: Order }>,
  token: string,
): Promise<Accepted> {
  const order = request.body
  const paid = await placePaid({ ...readRequest(request, canonicalJson(order)), order, token })
  if ('id' in paid) request.orderId = paid.id
  if (!isPaidAccepted(paid)) throw refusePaid(paid)
  const { id, replayed, isForgotten } = paid
  return { id, state: stateOfPaid[paid.kind], replayed, isForgotten }
}

function newOrderOf(request: FastifyRequest<{ Body: Order }>): NewOrder {
  const document = canonicalJson(request.body)
  return { ...readRequest(request, document), externalId: request.body.externalId, document }
}

function readRequest(request: FastifyRequest, document: string) {
  return {
    apiKeyId: request.apiKey?.id ?? '',
    idempotencyKey: readIdempotencyKey(request.headers['idempotency-key']),
    fingerprint: hash('sha256', document, 'hex'),
  }
}

function isPaidAccepted(paid: PaidPlaced): paid is PaidAccepted {
  return paid.kind in stateOfPaid
}

function isAccepted(placed: Placed): placed is Extract<Placed, { kind: 'placed' | 'replayed' }> {
  return placed.kind === 'placed' || placed.kind === 'replayed'
}
