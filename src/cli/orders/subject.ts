import type { DeliveryReport } from '#orders/happenings.ts'

/** What an operator looks at and decides about: an order, or a message. */
export type Subject = {
  /** `order WEB-10042`. */
  name: string
  /** The command that is about it: `orderwheel order WEB-10042`. */
  command: string
  deliveries: readonly DeliveryReport[]
}
