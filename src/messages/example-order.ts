import type { Order } from './order.ts'

/** The order of the documentation, the `curl` line `npm start` prints, and the tests. */
export function exampleOrder(externalId: string): Order {
  return {
    externalId,
    placedAt: '2026-11-22T10:15:00Z',
    currency: 'EUR',
    pricesIncludeTax: false,
    customer: {
      id: 'C-1',
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      phone: '+491701234567',
      locale: 'de-DE',
    },
    billingAddress: {
      name: 'Ada Lovelace',
      company: null,
      line1: 'Hauptstraße 1',
      line2: null,
      city: 'Berlin',
      region: null,
      postalCode: '10115',
      country: 'DE',
    },
    shippingAddress: null,
    items: [
      {
        lineId: '1',
        sku: 'IPOD-GREEN',
        title: 'iPod nano, green',
        quantity: 2,
        unitPrice: 19_900,
        discount: 500,
        tax: 7_467,
        taxRateBp: 1_900,
        requiresShipping: true,
        attributes: { engraving: 'Happy' },
      },
    ],
    shipping: [{ code: 'dhl', title: 'DHL', amount: 490, tax: 93 }],
    discounts: [{ code: 'TENOFF', amount: 1_000 }],
    totals: { subtotal: 39_800, discount: 1_500, shipping: 490, tax: 7_560, total: 46_350 },
    payment: { status: 'captured', provider: 'stripe', reference: 'pi_3Qx' },
    note: null,
    metadata: { utm: 'newsletter' },
  }
}
