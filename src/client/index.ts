/** What a storefront imports from `orderwheel/client`. Needs nothing but `fetch`. */
export {
  createClient,
  type Client,
  type ClientOptions,
  type PlaceOptions,
} from './create-client.ts'
export { NoAnswerError } from './no-answer-error.ts'
export { ProblemError, type ProblemPart } from './problem-error.ts'
export type { ProblemCode } from './problem-codes.ts'
export type { Order } from '#messages/order.ts'
export type { OrderReport, PlacedOrder } from '#http/orders/order-answers.ts'
