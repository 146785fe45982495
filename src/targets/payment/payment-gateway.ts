import { Type, type Static } from 'typebox'

import { paymentModes, type PaymentMode } from '#messages/charged-payment.ts'
import type { BoundHttp } from '#targets/http/bind-http.ts'
import type { HttpAnswer } from '#targets/http/send-request.ts'
import type { Outcome } from '#targets/outcome.ts'
import type { Mistake } from '#targets/target-kind.ts'
import type { OrderToTell } from '#targets/target.ts'

import type { ChargeResult } from './charge-result.ts'

/** What the functions of a payment gateway are given to charge a card. */
export type Charge = {
  /** Without the token. */
  order: OrderToTell
  /** Stands for the card; never to be logged. */
  token: string
  /** The order's total, in minor units. */
  amount: number
  /** ISO 4217. */
  currency: string
  mode: PaymentMode
  /** 1 for the first try. */
  attempt: number
  /** The order's id: the same for every try. */
  idempotencyKey: string
  /** Aborts at the deadline. */
  signal: AbortSignal
}

/** What they are given to capture, void or refund what was charged. */
export type ChargeChange = Omit<Charge, 'token'> & {
  /** What the gateway calls the charge. */
  reference: string
}

/** The payment gateway of a configuration file, checked, with every default filled in. */
export type PaymentGateway = {
  provider: string
  mode: PaymentMode
  /** What a buyer waits at most. */
  deadlineSeconds: number
  /** Never rejects; ends soon after the signal aborts. */
  charge(charge: Charge): Promise<ChargeResult>
  /** Asks what became of earlier tries, without charging. `unknown`: the gateway has no such charge. */
  lookup?: (charge: Charge) => Promise<ChargeResult | { kind: 'unknown' }>
  close(): Promise<void>
}

type WithHttp<T> = T & { http: BoundHttp }

/**
 * Says what became of a charge with this key: `approved()`, `declined()`; undefined, that the gateway knows of none,
 * so that it is made. What throws is asked again.
 */
export type PaymentLookup = (charge: WithHttp<Charge>) => Promise<ChargeResult | undefined>

/** What was answered (its status says whether it worked), or an outcome. */
export type ChangePayment = (change: WithHttp<ChargeChange>) => Promise<HttpAnswer | Outcome>

/** The options every kind of payment gateway takes. */
export const paymentOptions = {
  provider: Type.Optional(
    Type.String({ minLength: 1, maxLength: 64, description: 'What others are told who was paid.' }),
  ),
  mode: Type.Optional(Type.Unsafe<PaymentMode>({ enum: [...paymentModes] })),
  deadlineSeconds: Type.Optional(
    Type.Number({ minimum: 0.1, maximum: 30, description: 'What a buyer waits at most.' }),
  ),
  lookup: Type.Optional(Type.Unsafe<PaymentLookup>({ type: 'function' })),
  capture: Type.Optional(Type.Unsafe<ChangePayment>({ type: 'function' })),
  captureAfter: Type.Optional(
    Type.Array(Type.String(), { description: 'Targets that have to be told before `capture`.' }),
  ),
  void: Type.Optional(Type.Unsafe<ChangePayment>({ type: 'function' })),
  refund: Type.Optional(Type.Unsafe<ChangePayment>({ type: 'function' })),
}

const PaymentOptions = Type.Object(paymentOptions)
export type PaymentOptions = Static<typeof PaymentOptions>

/** What `httpPayment()` and `customPayment()` return: nothing is checked or opened yet. */
export type PaymentDefinition = {
  paymentKind: 'http' | 'custom'
  options: Readonly<Record<string, unknown>>
}

/** A buyer waits; gateways answer in one or two seconds, and at five most have left. */
const defaultDeadlineSeconds = 5

export function fillPaymentOptions({ provider, mode, deadlineSeconds }: PaymentOptions) {
  return {
    provider: provider ?? 'gateway',
    mode: mode ?? 'capture',
    deadlineSeconds: deadlineSeconds ?? defaultDeadlineSeconds,
  }
}

/** What can be given back depends on whether it was taken: functions that would be missing on a bad day. */
export function findPaymentMistakes(options: PaymentOptions): Mistake[] {
  const { mode = 'capture', capture, captureAfter, refund } = options
  const missing = (path: string, message: string) => [{ path, message: `is missing: ${message}` }]
  const isAuthorise = mode === 'authorise'
  const returns = Boolean(refund ?? options.void)
  return [
    ...(isAuthorise && refund && !options.void
      ? missing('void', 'what is authorised and not captured is voided, not refunded')
      : []),
    ...(returns && !refund && (capture || !isAuthorise)
      ? missing('refund', 'what was captured is refunded, not voided')
      : []),
    ...(captureAfter && !capture ? missing('capture', 'captureAfter says when it is called') : []),
    ...(capture && !isAuthorise
      ? [{ path: 'capture', message: "needs mode: 'authorise'; without, a charge is captured" }]
      : []),
  ]
}
