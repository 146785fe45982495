import type { DeliveryState, PaymentState } from '#database/tables.ts'
import type { PaymentMode } from '#messages/charged-payment.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'

export const paymentStatuses = [
  'pending',
  'authorized',
  'captured',
  'declined',
  'voided',
  'refunded',
] as const

export type PaymentStatus = (typeof paymentStatuses)[number]

/** What is known of a payment that was made here. */
export type PaymentReport = {
  status: PaymentStatus
  provider: string
  reference: string | null
  mode: PaymentMode
  /** Why it was declined; or why it is not known yet. */
  reason: string | null
  declineCode: string | null
  /** How often the gateway was asked. */
  attempts: number
  settledAt: string | null
}

/** What became of a charge: as it was answered, and then by what the gateway was told since. */
export function paymentStatus(
  charged: PaymentState,
  deliveries: readonly { target: string; kind: string; state: DeliveryState }[],
): PaymentStatus {
  if (charged === 'pending' || charged === 'declined') return charged
  const wasTold = (of: string) =>
    deliveries.some(
      ({ target, kind, state }) =>
        target === paymentTargetName && kind === of && state === 'delivered',
    )
  const now = charged === 'captured' || wasTold('order.placed') ? 'captured' : 'authorized'
  if (!wasTold('order.cancelled')) return now
  return now === 'captured' ? 'refunded' : 'voided'
}
