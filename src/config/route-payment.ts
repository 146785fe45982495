import type { MessageKind, Routes } from '#messages/message-kinds.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'

/** The routes, with the target `payment` added to what it has to be told of. */
export function routePayment(routes: Routes, kinds: readonly MessageKind[]): Routes {
  const added = kinds
    .filter((kind) => !routes[kind]?.includes(paymentTargetName))
    .map((kind) => [kind, [...(routes[kind] ?? []), paymentTargetName]])
  return { ...routes, ...Object.fromEntries(added) }
}
