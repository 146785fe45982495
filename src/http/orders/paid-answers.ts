import { HttpProblem } from '#http/http-problem.ts'
import type { PaidAccepted, PaidPlaced } from '#payments/place-paid-order.ts'

import { orderPath } from './order-answers.ts'
import { refusePlaced } from './placed-answers.ts'

export const stateOfPaid = {
  approved: 'received',
  awaiting: 'awaiting-payment',
  cancelled: 'cancelled',
} as const satisfies Record<PaidAccepted['kind'], string>

/** What an order that was to be paid and was not placed is answered with. Nothing of the card is in it. */
export function refusePaid(paid: Exclude<PaidPlaced, PaidAccepted>): HttpProblem {
  switch (paid.kind) {
    case 'declined':
      return declined(paid)
    case 'not-charged':
      return new HttpProblem(
        'payment-unavailable',
        {
          detail: `Nothing was charged and nothing was stored. ${paid.why ?? 'Repeat the request with the same Idempotency-Key.'}`,
        },
        { 'retry-after': paid.why === undefined ? '5' : '60' },
      )
    case 'in-progress':
      return new HttpProblem(
        'request-in-progress',
        {
          detail:
            'The same order is being paid. Repeat the request with the same Idempotency-Key for the result.',
        },
        { 'retry-after': '1' },
      )
    case 'key-reused':
    case 'order-exists':
    case 'overloaded':
      return refusePlaced(paid)
    default:
      return paid satisfies never
  }
}

function declined({ id, reason, code, replayed }: Extract<PaidPlaced, { kind: 'declined' }>) {
  const because = reason === '' ? '' : `: ${reason}`
  return new HttpProblem(
    'payment-declined',
    {
      detail: `The payment was declined${because}. To try another card, send the order with a new Idempotency-Key.`,
      orderId: id,
      ...(code === null ? {} : { declineCode: code }),
    },
    { location: orderPath(id), ...(replayed ? { 'idempotent-replayed': 'true' } : {}) },
  )
}
