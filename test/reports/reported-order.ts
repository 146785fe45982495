import type { ReportedOrder } from '#reports/read-orders.ts'

export function reportedOrder(changes: Partial<ReportedOrder> = {}): ReportedOrder {
  return {
    id: '01a10b81-8500-7000-8000-000000000000',
    externalId: 'WEB-1',
    receivedAt: new Date('2026-10-05T10:00:00Z'),
    placedAt: '2026-10-05T10:00:00Z',
    state: 'completed',
    cancelledAt: null,
    currency: 'EUR',
    totals: { subtotal: 39_800n, discount: 1_500n, shipping: 490n, tax: 7_560n, total: 46_350n },
    pricesIncludeTax: false,
    lines: 1,
    quantity: 2n,
    billingCountry: 'DE',
    shippingCountry: null,
    payment: { status: 'captured', provider: 'stripe', reference: 'pi_1' },
    ...changes,
  }
}
