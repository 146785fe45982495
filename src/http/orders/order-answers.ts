import { Type, type Static } from 'typebox'

import type { DeliveryState } from '#database/tables.ts'
import { uuid, time, nullableText, nullableTime, orNull } from '#http/fields.ts'
import { paymentModes } from '#messages/charged-payment.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { Order } from '#messages/order.ts'
import type { DeliveryReport } from '#orders/happenings.ts'
import { orderStates, type OrderState } from '#orders/order-state.ts'
import { paymentStatuses, type PaymentReport } from '#orders/payment-status.ts'
import type { OrderReport as Report } from '#orders/read-order.ts'

const Links = Type.Object({
  self: Type.String(),
  status: Type.Optional(
    Type.String({
      description:
        'A page for the buyer. Whoever has this link may see it; nobody can guess it. Absent when the person was forgotten.',
    }),
  ),
})

const orderId = '0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4'
const statusExample = '/status/AZnHsnpVewqKPj8cXOC39Kx0mC5yQ2b8pVtGzLr3o4w'

const placedStates = [
  'received',
  'awaiting-payment',
  'cancelled',
] as const satisfies readonly OrderState[]

export type PlacedState = (typeof placedStates)[number]

/** The 202 of POST /orders. */
const PlacedOrder = Type.Object(
  {
    id: uuid,
    externalId: Type.String(),
    state: Type.Unsafe<PlacedState>({
      type: 'string',
      enum: [...placedStates],
      description:
        '`cancelled`: of an order that is paid here, when the request is repeated after it was cancelled.',
    }),
    links: Links,
  },
  {
    $id: 'PlacedOrder',
    examples: [
      placedAnswer({
        id: orderId,
        externalId: 'WEB-10042',
        state: 'received',
        status: statusExample,
      }),
    ],
  },
)

/** What was charged here, as `payment` of the order and with what became of it. */
const chargedPayment = {
  provider: Type.String(),
  reference: nullableText,
  mode: Type.String({ enum: [...paymentModes] }),
}

/** The order as it is kept: of a payment that was made here, without its token. */
const StoredOrder = Type.Object(
  {
    ...Order.properties,
    payment: Type.Unsafe<Order['payment']>({
      anyOf: [
        Order.properties.payment,
        Type.Object({
          status: Type.String({ enum: ['pending', 'authorized', 'captured', 'declined'] }),
          ...chargedPayment,
        }),
      ],
    }),
  },
  { $id: 'StoredOrder', additionalProperties: false },
)

export type PlacedOrder = Static<typeof PlacedOrder>

/** One message told to one target. */
export const DeliveryAnswer = Type.Object({
  target: Type.String(),
  message: Type.Object({ id: uuid, kind: Type.String() }),
  state: Type.Unsafe<DeliveryState>({
    type: 'string',
    enum: [
      'waiting',
      'queued',
      'active',
      'retrying',
      'delivered',
      'dead',
      'uncertain',
      'shed',
      'skipped',
      'cancelled',
    ],
  }),
  attemptCount: Type.Integer(),
  attempts: Type.Array(
    Type.Object({
      number: Type.Integer(),
      startedAt: time,
      durationMs: orNull({ type: 'integer' }),
      outcome: Type.String(),
      reason: nullableText,
      answer: Type.Unknown({
        description: 'What the target answered: status, text and the code of an error.',
      }),
    }),
  ),
  nextAttemptAt: nullableTime,
  lastError: nullableText,
  deliveredAt: nullableTime,
  deadLetterId: orNull({ type: 'string', format: 'uuid' }),
  waitsFor: Type.Array(Type.Object({ target: Type.String(), messageId: uuid })),
})

/** The 200 of GET /orders. */
const OrderAnswer = Type.Object({
  id: uuid,
  externalId: Type.String(),
  state: Type.Unsafe<OrderState>({ type: 'string', enum: [...orderStates] }),
  receivedAt: time,
  order: Type.Unsafe<Order>({ $ref: 'StoredOrder#' }),
  payment: Type.Unsafe<PaymentReport | null>({
    description: 'The payment that was made here (payment.token); null when it was made elsewhere.',
    anyOf: [
      Type.Object({
        status: Type.String({ enum: [...paymentStatuses] }),
        ...chargedPayment,
        reason: nullableText,
        declineCode: nullableText,
        attempts: Type.Integer({ description: 'How often the gateway was asked.' }),
        settledAt: nullableTime,
      }),
      { type: 'null' },
    ],
  }),
  messages: Type.Array(
    Type.Object({
      id: uuid,
      kind: Type.String(),
      createdAt: time,
      relayedAt: nullableTime,
      refusal: nullableText,
    }),
  ),
  deliveries: Type.Array(DeliveryAnswer),
  links: Links,
})

export type OrderReport = Static<typeof OrderAnswer>

/** Named in the OpenAPI file, so that generated clients have names for them, too. */
export const orderSchemas = [
  { $id: 'Order', ...Order, examples: [exampleOrder('WEB-10042')] },
  StoredOrder,
  PlacedOrder,
  { $id: 'OrderReport', ...OrderAnswer },
]

type Placed = { id: string; externalId: string; state: PlacedState; status: string | undefined }

export function placedAnswer({ id, externalId, state, status }: Placed) {
  return { id, externalId, state, links: linksOf(id, status) }
}

export function orderAnswer({ isForgotten, ...report }: Report, status: string | undefined) {
  return {
    ...report,
    deliveries: report.deliveries.map(forStorefront),
    // Nobody's page any more: the link would answer 404.
    links: linksOf(report.id, isForgotten ? undefined : status),
  }
}

export function forStorefront(delivery: DeliveryReport) {
  const attempts = delivery.attempts.map(({ answer, ...attempt }) => ({
    ...attempt,
    answer: withoutHeaders(answer),
  }))
  return { ...delivery, attempts }
}

/** They are for operators: a storefront need not know what software is inside. */
function withoutHeaders(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null) return answer
  return { ...answer, headers: undefined }
}

function linksOf(id: string, status: string | undefined) {
  return { self: orderPath(id), ...(status !== undefined && { status }) }
}

export function orderPath(id: string): string {
  return `/orders/${id}`
}
