import type { Order } from '#messages/order.ts'

import { fillIn, type ReceiptWords } from './receipt-words.ts'
import { taxLines, type TaxLine } from './tax-lines.ts'

export type SumLine = { name: string; amount: string; is: 'part' | 'total' | 'included' }

type Writing = {
  words: ReceiptWords
  show: (text: string) => string
  write: (amount: number) => string
  rate: (basisPoints: number) => string
}

/** From the subtotal to the total; taxes before the total when they are added, after it when prices include them. */
export function sumLines(order: Order, writing: Writing): SumLine[] {
  const { totals, pricesIncludeTax, items, discounts = [], shipping = [] } = order
  const { words, show, write } = writing
  const part = (name: string, amount: number): SumLine => ({
    name: show(name),
    amount: write(amount),
    is: 'part',
  })
  const onItems = items.reduce((sum, { discount }) => sum + discount, 0)
  const taxes = taxLines(order).map((line) => part(nameTax(line, writing), line.tax))
  return [
    part(words.subtotal, totals.subtotal),
    ...(onItems > 0 ? [part(words.itemDiscounts, -onItems)] : []),
    ...discounts.map(({ code, amount }) => part(`${words.discount} ${code}`, -amount)),
    ...shipping.map(({ title, amount }) => part(`${words.shipping}: ${title}`, amount)),
    ...(pricesIncludeTax ? [] : taxes),
    { name: words.total, amount: write(totals.total), is: 'total' },
    ...(pricesIncludeTax ? taxes.map((line) => included(line, words)) : []),
  ]
}

function nameTax(line: TaxLine, { words, rate }: Writing): string {
  if (line.of === 'shipping') return words.taxOnShipping
  return line.rateBp === null ? words.tax : fillIn(words.taxAt, { rate: rate(line.rateBp) })
}

function included({ name, amount }: SumLine, { taxIncluded }: ReceiptWords): SumLine {
  return { name: `${name}, ${taxIncluded}`, amount, is: 'included' }
}
