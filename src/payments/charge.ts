import type { PaymentMode } from '#messages/charged-payment.ts'
import type { Order } from '#messages/order.ts'
import { declined, type ChargeResult } from '#targets/payment/charge-result.ts'
import type { Charge, PaymentGateway } from '#targets/payment/payment-gateway.ts'

/** Why the payment of an order is declined that was cancelled before it was charged. */
export const cancelledUncharged = 'The order was cancelled before it was charged.'

const mayStillLand =
  'The order was cancelled, and the gateway knows of no charge so far: one that was asked for may still be under way.'

export type ToCharge = {
  orderId: string
  /** ISO 8601. */
  receivedAt: string
  /** Its payment has no token. */
  order: Order
  token: string
  /** As it was begun: the same key must not ask for something else. */
  mode: PaymentMode
  attempt: number
  /** It is not to be charged any more, but given back if it was. `lately`: what was asked before may still be under way. */
  cancelled?: 'lately' | 'long-ago' | null
}

/** One question to the gateway, which ends within `seconds`. Does not throw. */
export async function charge(
  gateway: PaymentGateway,
  toCharge: ToCharge,
  { seconds, lookFirst }: { seconds: number; lookFirst: boolean },
): Promise<ChargeResult> {
  if (lookFirst && gateway.lookup) {
    const found = await gateway.lookup({ ...describe(toCharge), signal: within(seconds) })
    if (found.kind !== 'unknown') return found
    if (toCharge.cancelled === 'long-ago') return declined(cancelledUncharged)
    if (toCharge.cancelled) return { kind: 'uncertain', reason: mayStillLand }
  }
  return gateway.charge({ ...describe(toCharge), signal: within(seconds) })
}

function describe({
  order,
  orderId,
  receivedAt,
  token,
  mode,
  attempt,
}: ToCharge): Omit<Charge, 'signal'> {
  return {
    order: { ...order, id: orderId, receivedAt },
    token,
    amount: order.totals.total,
    currency: order.currency,
    mode,
    attempt,
    idempotencyKey: orderId,
  }
}

function within(seconds: number): AbortSignal {
  return AbortSignal.timeout(seconds * 1_000)
}
