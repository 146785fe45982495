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

/** As it was answered, and what was written down before the deliveries that say so were dropped. */
export type Charged = {
  state: PaymentState
  became: Extract<PaymentStatus, 'captured' | 'voided' | 'refunded'> | null
}

/** What became of a charge: as it was answered, and then by what the gateway was told since. */
export function paymentStatus(
  { state: charged, became }: Charged,
  deliveries: readonly { target: string; kind: string; state: DeliveryState }[],
): PaymentStatus {
  if (charged === 'pending' || charged === 'declined') return charged
  const wasTold = (of: string) =>
    deliveries.some(
      ({ target, kind, state }) =>
        target === paymentTargetName && kind === of && state === 'delivered',
    )
  if (became === 'voided' || became === 'refunded') return became
  const isCaptured = charged === 'captured' || became === 'captured' || wasTold('order.placed')
  const now = isCaptured ? 'captured' : 'authorized'
  if (!wasTold('order.cancelled')) return now
  return now === 'captured' ? 'refunded' : 'voided'
}
