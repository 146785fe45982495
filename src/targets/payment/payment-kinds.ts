import { customPaymentKind } from './custom-payment.ts'
import { httpPaymentKind } from './http-payment.ts'
import type { PaymentDefinition } from './payment-gateway.ts'
import type { PaymentKind } from './payment-kind.ts'

/** Every kind of payment gateway a configuration file can name. A new kind starts here. */
export const paymentKinds: Record<PaymentDefinition['paymentKind'], PaymentKind> = {
  http: httpPaymentKind,
  custom: customPaymentKind,
}
