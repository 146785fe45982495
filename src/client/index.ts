/** What a storefront imports from `orderwheel/client`. Needs nothing but `fetch`. */
export {
  createClient,
  type CancelOptions,
  type Client,
  type ClientOptions,
  type FollowOptions,
  type PlaceOptions,
} from './create-client.ts'
export type { OrderEvent } from './follow-order.ts'
export { NoAnswerError } from './no-answer-error.ts'
export { ProblemError, type ProblemPart } from './problem-error.ts'
export type { ProblemCode } from './problem-codes.ts'
export type { CancelledOrder } from '#http/orders/cancellation-routes.ts'
export type { Order } from '#messages/order.ts'
export type { OrderReport, PlacedOrder } from '#http/orders/order-answers.ts'
