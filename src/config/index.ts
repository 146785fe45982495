/** What a configuration file imports from `orderwheel`. */
export { audit, type AuditOptions } from '#targets/audit.ts'
export { batch, type BatchOptions } from '#targets/http/batch.ts'
export { classifyAnswer } from '#targets/http/classify-answer.ts'
export {
  approved,
  declined,
  notCharged,
  type ChargeResult,
} from '#targets/payment/charge-result.ts'
export type { EarlierAnswer, EarlierAnswers } from '#targets/earlier-answers.ts'
export { custom, type CustomOptions, type Tell } from '#targets/custom.ts'
export {
  customPayment,
  type ChargeCard,
  type CustomPaymentOptions,
} from '#targets/payment/custom-payment.ts'
export { email, type EmailOptions } from '#targets/email/email.ts'
export { http, type HttpOptions } from '#targets/http/http.ts'
export { httpPayment, type HttpPaymentOptions } from '#targets/payment/http-payment.ts'
export type { Lookup } from '#targets/http/lookup.ts'
export {
  delivered,
  giveUp,
  tryAgain,
  uncertain,
  type Answer,
  type Outcome,
} from '#targets/outcome.ts'
export type {
  ChangePayment,
  Charge,
  ChargeChange,
  PaymentDefinition,
  PaymentLookup,
} from '#targets/payment/payment-gateway.ts'
export type { BoundHttp } from '#targets/http/bind-http.ts'
export { receipt, type ReceiptOptions } from '#targets/receipt/receipt.ts'
export type { HttpAnswer } from '#targets/http/send-request.ts'
export type { EnvironmentReference, TargetDefinition, Told } from '#targets/target-kind.ts'
export type { MessageToTell, OrderToTell } from '#targets/target.ts'
export { textAt } from '#targets/text-at.ts'
export { webhook, type WebhookOptions } from '#targets/http/webhook.ts'

export type { MessageDefinition } from './check-messages.ts'
export { defineConfig, type AlertsDefinition, type ConfigDefinition } from './define-config.ts'
export { env } from './env.ts'
