import { decimalAmount } from './decimal-amount.ts'
import type { ReportedOrder } from './read-orders.ts'

/** Of one currency; amounts are exact decimals. What was cancelled or not paid is counted, and in no amount. */
export type Sum = {
  currency: string
  /** Those that stand. */
  orders: number
  cancelled: number
  unpaid: number
  tax: string
  total: string
}

export type Sums = { add(orders: readonly ReportedOrder[]): void; list(): Sum[] }

/** Adds up orders by currency: exact, also where a million of them leave what numbers hold. */
export function sumOrders(): Sums {
  const sums = new Map<string, Adding>()

  function add(order: ReportedOrder) {
    const { currency, totals } = order
    const sum = sums.get(currency) ?? { orders: 0, cancelled: 0, unpaid: 0, tax: 0n, total: 0n }
    sums.set(currency, sum)
    const stands = standing(order)
    sum[stands] += 1
    if (stands !== 'orders') return
    sum.tax += totals.tax
    sum.total += totals.total
  }

  return {
    add: (orders) => orders.forEach(add),
    list: () =>
      Array.from(sums, ([currency, { tax, total, ...counts }]) => ({
        currency,
        ...counts,
        tax: decimalAmount(tax, currency),
        total: decimalAmount(total, currency),
      })).sort((one, other) => (one.currency < other.currency ? -1 : 1)),
  }
}

type Adding = { orders: number; cancelled: number; unpaid: number; tax: bigint; total: bigint }

// Not by the state alone: one that was cancelled may need attention.
function standing({ cancelledAt, state }: ReportedOrder): 'orders' | 'cancelled' | 'unpaid' {
  if (cancelledAt !== null) return 'cancelled'
  return state === 'awaiting-payment' || state === 'payment-declined' ? 'unpaid' : 'orders'
}
