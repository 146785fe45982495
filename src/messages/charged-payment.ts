export const paymentModes = ['authorise', 'capture'] as const

/** `authorise`: the amount is held and captured later; `capture`: it is taken at once. */
export type PaymentMode = (typeof paymentModes)[number]

/**
 * `payment` of an order that was charged here, as it is stored, shown and told: the token is gone. That there is a
 * `mode` says that it was us, which no storefront can say.
 */
export type ChargedPayment = {
  status: 'pending' | 'authorized' | 'captured' | 'declined'
  provider: string
  /** What the gateway calls the charge; null before it is approved, and when it was declined. */
  reference: string | null
  mode: PaymentMode
}

export function isChargedPayment(payment: object): payment is ChargedPayment {
  return 'mode' in payment
}
