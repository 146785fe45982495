import type { PaymentMode } from '#messages/charged-payment.ts'
import type { Order } from '#messages/order.ts'
import type { ChargeResult } from '#targets/payment/charge-result.ts'
import type { Charge, PaymentGateway } from '#targets/payment/payment-gateway.ts'

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
}

/** One question to the gateway, which ends within `seconds`. Does not throw. */
export async function charge(
  gateway: PaymentGateway,
  toCharge: ToCharge,
  { seconds, lookFirst }: { seconds: number; lookFirst: boolean },
): Promise<ChargeResult> {
  const given = describe(toCharge)
  if (lookFirst && gateway.lookup) {
    const found = await gateway.lookup({ ...given, signal: within(seconds) })
    if (found.kind !== 'unknown') return found
  }
  return gateway.charge({ ...given, signal: within(seconds) })
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
