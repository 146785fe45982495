import { maxAmount, type Order } from '#messages/order.ts'

import { isCardNumber } from './card-number.ts'

/** What is wrong with an order, and where: `pointer` is a JSON pointer (RFC 6901) into the body. */
export type BrokenRule = { pointer: string; detail: string }

/**
 * The rules a schema cannot say (design 4.3): sums, payment, and lines that can be told apart.
 * Takes an order that satisfies the schema. An empty list: the order is good.
 */
export function brokenRules(order: Order, payment: { gateway: boolean }): BrokenRule[] {
  return [
    ...wrongTime(order),
    ...repeatedLines(order),
    ...wrongTotals(order),
    ...wrongPayment(order, payment.gateway),
  ]
}

/** Of any order a shop still knows; a clock at zero, or seconds taken for milliseconds, are outside. */
const firstYear = 2000
const lastYear = 2099

// The validator's date-time also takes a space for the T and zones without a colon, and RFC 3339 a leap second,
// which no clock of a target can hold: Date.parse does not know it.
function wrongTime({ placedAt }: Order): BrokenRule[] {
  const spelledRight = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(placedAt)
  const year = new Date(placedAt).getUTCFullYear()
  if (!spelledRight || Number.isNaN(year)) {
    return [
      { pointer: '/placedAt', detail: 'must be a time such as 2026-11-22T10:15:00Z (RFC 3339)' },
    ]
  }
  if (year < firstYear || year > lastYear) {
    return [{ pointer: '/placedAt', detail: `must be in the years ${firstYear} to ${lastYear}` }]
  }
  return []
}

function repeatedLines({ items }: Order): BrokenRule[] {
  const firstAt = new Map<string, number>()
  const broken: BrokenRule[] = []
  for (const [index, { lineId }] of items.entries()) {
    const first = firstAt.get(lineId)
    if (first === undefined) firstAt.set(lineId, index)
    else {
      broken.push({
        pointer: `/items/${index}/lineId`,
        detail: `must be unique, but /items/${first}/lineId is ${JSON.stringify(lineId)} too`,
      })
    }
  }
  return broken
}

function wrongTotals(order: Order): BrokenRule[] {
  const { items, shipping = [], discounts = [], totals, pricesIncludeTax } = order
  const expected = {
    subtotal: sum(items.map((item) => item.quantity * item.unitPrice)),
    discount: sum(items.map((item) => item.discount)) + sum(discounts.map((one) => one.amount)),
    shipping: sum(shipping.map((line) => line.amount)),
    tax: sum(items.map((item) => item.tax)) + sum(shipping.map((line) => line.tax)),
  }
  const total =
    totals.subtotal - totals.discount + totals.shipping + (pricesIncludeTax ? 0 : totals.tax)
  return [
    ...wrongSum(order, 'subtotal', expected.subtotal, 'Σ quantity · unitPrice'),
    ...wrongSum(order, 'discount', expected.discount, 'Σ item discounts + Σ discounts'),
    ...wrongSum(order, 'shipping', expected.shipping, 'Σ shipping amounts'),
    ...wrongSum(order, 'tax', expected.tax, 'Σ item tax + Σ shipping tax'),
    ...wrongSum(
      order,
      'total',
      total,
      `subtotal − discount + shipping${pricesIncludeTax ? ', tax included' : ' + tax'}`,
    ),
  ]
}

function wrongSum(
  { totals }: Order,
  name: keyof Order['totals'],
  expected: number,
  formula: string,
): BrokenRule[] {
  // A sum past 2^53 is inexact, but then it is also past every amount the schema admits: never equal.
  if (totals[name] === expected) return []
  const reachable = expected >= 0 && expected <= maxAmount
  return [
    {
      pointer: `/totals/${name}`,
      detail: reachable
        ? `must be ${expected} (${formula}), but is ${totals[name]}`
        : `is ${totals[name]}, but ${formula} is ${expected}, which is not an amount of 0 … ${maxAmount}`,
    },
  ]
}

function wrongPayment({ payment }: Order, gateway: boolean): BrokenRule[] {
  if (payment.token !== undefined && isCardNumber(payment.token)) {
    return [{ pointer: '/payment/token', detail: noCardNumber }]
  }
  if (payment.status === undefined && payment.token === undefined) {
    return [{ pointer: '/payment', detail: 'must have either status or token' }]
  }
  if (payment.status !== undefined && payment.token !== undefined) {
    return [{ pointer: '/payment', detail: 'must have either status or token, but has both' }]
  }
  if (payment.token !== undefined && !gateway) {
    return [{ pointer: '/payment/token', detail: 'no payment gateway is configured' }]
  }
  return []
}

// Who reads this must not read the number with it.
const noCardNumber =
  'must be the token that the payment gateway made of the card; this looks like a card number, which is never taken'

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0)
}
