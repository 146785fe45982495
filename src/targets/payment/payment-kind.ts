import type { TSchema } from 'typebox'

import type { Mistake } from '#targets/target-kind.ts'
import type { Target } from '#targets/target.ts'

import type { PaymentGateway } from './payment-gateway.ts'

/** One kind of payment gateway: how its options are checked, and how it is made of them. */
export type PaymentKind = {
  /** The options once the environment has been filled in. */
  schema: TSchema
  /** What the schema cannot say. Only called with options the schema accepts. */
  findMistakes(options: unknown): Mistake[]
  /** Only called with options that have no mistakes. The target is of use when there is something to tell it. */
  create(options: unknown): { gateway: PaymentGateway; target: Target }
}
