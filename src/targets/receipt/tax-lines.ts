import type { Order } from '#messages/order.ts'

/** A line of tax: `rateBp` in basis points; null: the storefront said no rate. */
export type TaxLine =
  | { of: 'items'; rateBp: number | null; tax: number }
  | { of: 'shipping'; tax: number }

/**
 * The order's taxes by rate, highest first, then what has no rate, then shipping: they add up to `totals.tax`. No
 * bases: how discounts of the whole order spread over the rates is the storefront's secret.
 */
export function taxLines({ items, shipping }: Pick<Order, 'items' | 'shipping'>): TaxLine[] {
  const byRate = Map.groupBy(items, ({ taxRateBp }) => taxRateBp ?? null)
  const ofItems = Array.from(byRate, ([rateBp, those]) => ({
    of: 'items' as const,
    rateBp,
    tax: sum(those.map(({ tax }) => tax)),
  }))
  const ofShipping = sum((shipping ?? []).map(({ tax }) => tax))
  return [
    ...ofItems
      .filter(({ rateBp, tax }) => rateBp !== null || tax > 0)
      .toSorted((a, b) => (b.rateBp ?? -1) - (a.rateBp ?? -1)),
    ...(ofShipping > 0 ? [{ of: 'shipping' as const, tax: ofShipping }] : []),
  ]
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, amount) => all + amount, 0)
}
