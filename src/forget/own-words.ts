import type { Order } from '#messages/order.ts'

/**
 * Everything in an order that may say whose it is, also in parts: for what was said about this order itself, where a
 * word too many is no loss. Not for what was said about others: see readTexts.
 */
export function ownWords(order: Order): string[] {
  const { customer, billingAddress, shippingAddress, items, note, metadata } = order
  const addresses = [billingAddress, ...(shippingAddress ? [shippingAddress] : [])]
  const names = [
    customer.name,
    ...addresses.flatMap((to) => [to.name, to.company, to.line1, to.line2, to.city, to.region]),
  ]
  const texts = [
    ...names,
    ...names.flatMap((name) => name?.split(/[^\p{L}\p{N}]+/u) ?? []),
    customer.email,
    customer.phone,
    note,
    ...addresses.map(({ postalCode }) => postalCode),
    ...Object.values(metadata ?? {}),
    ...items.flatMap(({ attributes }) => Object.values(attributes ?? {})),
  ]
  const telling = texts.map((text) => text?.trim() ?? '').filter((text) => text.length >= 2)
  const id = customer.id?.trim() ?? ''
  return [...new Set(id === '' ? telling : [id, ...telling])]
}
