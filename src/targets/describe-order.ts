import { amountFormat } from './format-amount.ts'
import { addressLines, chooseLanguage, localeOf } from './order-locale.ts'
import type { Told } from './target-kind.ts'

/** The words of a template, by language. */
export type Languages = ReadonlyMap<string, Readonly<Record<string, string>>>

/**
 * What a mail template can name: the order with its amounts written for the customer's locale, and `t`, the
 * words in the customer's language. Dates, numbers and countries are in the language of the words, as the
 * customer's region writes it. A locale nobody knows, or a language the template has no words in, becomes
 * English.
 */
export function describeOrder(
  { order, message }: Told,
  languages: Languages,
  { shopName, timeZone }: { shopName: string; timeZone: string },
) {
  const locale = localeOf(order)
  const { language, wordsLocale } = chooseLanguage(locale, languages)
  const write = amountFormat(order.currency, locale)
  const { totals } = order
  const itemDiscount = order.items.reduce((sum, { discount }) => sum + discount, 0)
  return {
    order,
    message,
    shopName,
    locale,
    language,
    t: languages.get(language) ?? {},
    number: order.externalId,
    placedOn: new Intl.DateTimeFormat(wordsLocale, { dateStyle: 'long', timeZone }).format(
      new Date(order.placedAt),
    ),
    lines: order.items.map((item) => ({
      title: item.title,
      sku: item.sku,
      quantity: new Intl.NumberFormat(wordsLocale).format(item.quantity),
      attributes: Object.entries(item.attributes ?? {}).map(([name, value]) => ({ name, value })),
      unitPrice: write(item.unitPrice),
      total: write(item.quantity * item.unitPrice),
    })),
    shipping: (order.shipping ?? []).map(({ title, amount }) => ({ title, amount: write(amount) })),
    itemDiscount: itemDiscount > 0 ? write(-itemDiscount) : null,
    discounts: (order.discounts ?? []).map(({ code, amount }) => ({
      code,
      amount: write(-amount),
    })),
    taxIncluded: order.pricesIncludeTax,
    totals: {
      subtotal: write(totals.subtotal),
      shipping: write(totals.shipping),
      tax: write(totals.tax),
      total: write(totals.total),
    },
    billingAddress: addressLines(order.billingAddress, wordsLocale),
    shippingAddress: order.shippingAddress
      ? addressLines(order.shippingAddress, wordsLocale)
      : null,
  }
}

export type OrderView = ReturnType<typeof describeOrder>

export function isTimeZone(timeZone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone }))
  } catch {
    return false
  }
}
