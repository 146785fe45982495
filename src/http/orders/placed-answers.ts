import { HttpProblem } from '#http/http-problem.ts'
import type { Placed } from '#orders/place-order.ts'

import { orderPath } from './order-answers.ts'

export type RefusedPlaced = Exclude<Placed, { kind: 'placed' | 'replayed' }>

/** What an order that was not placed is answered with. */
export function refusePlaced(placed: RefusedPlaced): HttpProblem {
  return refusals[placed.kind]('id' in placed ? placed.id : '')
}

const refusals: Record<RefusedPlaced['kind'], (id: string) => HttpProblem> = {
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
