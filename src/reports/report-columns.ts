import { decimalAmount } from './decimal-amount.ts'
import type { ReportedOrder } from './read-orders.ts'

export type Column = { name: string; of: (order: ReportedOrder) => string }

/** What a bookkeeper asks of an order, and nothing personal. Columns are only ever added, at the end. */
export const columns: readonly Column[] = [
  { name: 'orderId', of: ({ id }) => id },
  { name: 'externalId', of: ({ externalId }) => externalId },
  { name: 'receivedAt', of: ({ receivedAt }) => receivedAt.toISOString() },
  { name: 'placedAt', of: ({ placedAt }) => inUtc(placedAt) },
  { name: 'state', of: ({ state }) => state },
  { name: 'cancelledAt', of: ({ cancelledAt }) => cancelledAt?.toISOString() ?? '' },
  { name: 'currency', of: ({ currency }) => currency },
  { name: 'subtotal', of: amountOf('subtotal') },
  { name: 'discount', of: amountOf('discount') },
  { name: 'shipping', of: amountOf('shipping') },
  { name: 'tax', of: amountOf('tax') },
  { name: 'total', of: amountOf('total') },
  { name: 'pricesIncludeTax', of: ({ pricesIncludeTax }) => String(pricesIncludeTax) },
  { name: 'lines', of: ({ lines }) => String(lines) },
  { name: 'quantity', of: ({ quantity }) => String(quantity) },
  { name: 'billingCountry', of: ({ billingCountry }) => billingCountry },
  { name: 'shippingCountry', of: ({ shippingCountry }) => shippingCountry ?? '' },
  { name: 'paymentStatus', of: ({ payment }) => payment.status },
  { name: 'paymentProvider', of: ({ payment }) => payment.provider ?? '' },
  { name: 'paymentReference', of: ({ payment }) => payment.reference ?? '' },
]

function amountOf(amount: keyof ReportedOrder['totals']): Column['of'] {
  return ({ totals, currency }) => decimalAmount(totals[amount], currency)
}

/** A time with any offset as UTC; what is none, as the storefront wrote it. */
function inUtc(time: string): string {
  const at = new Date(time)
  return Number.isNaN(at.getTime()) ? time : at.toISOString()
}
