import type { Order } from '#messages/order.ts'

/** Stands where an order needs an address to be one. Nobody can be reached there (RFC 2606). */
export const forgottenEmail = 'forgotten@example.invalid'

const forgotten = 'forgotten'

/**
 * What the books need of an order: numbers, amounts, currency, taxes, countries, dates, articles and the reference of
 * the payment. Written field by field: what is not here is gone, also what the order will have one day.
 */
export function forgetDocument(order: Order): Order {
  return {
    externalId: order.externalId,
    placedAt: order.placedAt,
    currency: order.currency,
    pricesIncludeTax: order.pricesIncludeTax,
    customer: {
      email: forgottenEmail,
      name: forgotten,
      ...present({ locale: order.customer.locale }),
    },
    billingAddress: forgetAddress(order.billingAddress),
    ...present({ shippingAddress: order.shippingAddress && forgetAddress(order.shippingAddress) }),
    // Without attributes: an engraving, a name on a shirt.
    items: order.items.map((item) => ({
      lineId: item.lineId,
      sku: item.sku,
      title: item.title,
      quantity: item.quantity,
      unitPrice: item.unitPrice,
      discount: item.discount,
      tax: item.tax,
      ...present({ taxRateBp: item.taxRateBp, requiresShipping: item.requiresShipping }),
    })),
    ...present({ shipping: order.shipping, discounts: order.discounts }),
    totals: order.totals,
    payment: present({
      status: order.payment.status,
      provider: order.payment.provider,
      reference: order.payment.reference,
    }),
  }
}

/** Where the tax was due. */
function forgetAddress({ country }: Order['billingAddress']): Order['billingAddress'] {
  return { name: forgotten, line1: forgotten, city: forgotten, country }
}

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without the members that are not there, which is not the same as undefined. */
function present<T extends object>(members: T): Present<T> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Present<T>
}
