import { amountFormat } from '#targets/format-amount.ts'
import { addressLines, chooseLanguage, localeOf } from '#targets/order-locale.ts'

import type { ReceiptRequest, Wording } from './receipt-request.ts'
import { fillIn, receiptWords, type ReceiptWords } from './receipt-words.ts'
import { shownText } from './shown-text.ts'
import { sumLines, type SumLine } from './sum-lines.ts'
import { writeAmounts } from './write-amounts.ts'

/** A receipt in words, each a text that the fonts can show. */
export type ReceiptView = {
  language: string
  words: ReceiptWords
  title: string
  number: string
  /** What stands beside the title: names and values. */
  facts: [name: string, value: string][]
  seller: { name: string; lines: string[] }
  billTo: string[]
  shipTo: string[] | null
  items: ItemLine[]
  sums: SumLine[]
  /** How it is paid; null: nobody said. */
  payment: string | null
  /** A sentence; null: the order stands. */
  cancelled: string | null
  footer: string
}

export type ItemLine = {
  title: string
  /** The article's number, attributes and discount, each on lines of its own. */
  details: string[]
  quantity: string
  unitPrice: string
  taxRate: string
  amount: string
}

type Show = (text: string) => string

/** `covers`: the code points that every font of the receipt has. */
export function describeReceipt(
  request: ReceiptRequest,
  covers: (codePoint: number) => boolean,
): ReceiptView {
  const { order, seller, number, timeZone, cancelledAt } = request
  const show: Show = (text) => shownText(text, covers)
  const { language, wordsLocale } = chooseLanguage(localeOf(order), receiptWords)
  // Extensions of a locale change digits and calendars to what the fonts lack.
  const dateLocale = new Intl.Locale(wordsLocale).baseName
  const words = wordsOf(language)
  const write = writeAmounts(order.currency, [localeOf(order), dateLocale, 'en'], covers)
  const dates = new Intl.DateTimeFormat(dateLocale, { dateStyle: 'long', timeZone })
  const date = (time: string) => show(dates.format(new Date(time)))
  const rates = new Intl.NumberFormat(dateLocale, { style: 'percent', maximumFractionDigits: 2 })
  const rate = (basisPoints: number) => show(rates.format(basisPoints / 10_000))
  return {
    language,
    words,
    title: show(wordingIn(language, request.title) ?? words.title),
    number: show(number),
    facts: [
      [words.number, show(number)],
      ...(number === order.externalId ? [] : [[words.order, order.externalId] as [string, string]]),
      [words.placedOn, date(order.placedAt)],
    ],
    seller: { name: show(seller.name), lines: sellerLines(seller, words).map(show) },
    billTo: addressLines(order.billingAddress, dateLocale).map(show),
    shipTo: order.shippingAddress
      ? addressLines(order.shippingAddress, dateLocale).map(show)
      : null,
    items: describeItems(request, { words, show, write, rate, locale: dateLocale }),
    sums: sumLines(order, { words, show, write, rate }),
    // What was paid is given back after this is written.
    payment: cancelledAt === null ? describePayment(request, words, show) : null,
    cancelled: cancelledAt && fillIn(words.cancelledOn, { date: date(cancelledAt) }),
    footer: show(wordingIn(language, request.footer) ?? ''),
  }
}

function wordsOf(language: string): ReceiptWords {
  const words = receiptWords.get(language)
  if (!words) throw new Error(`There are no words in ${language}.`)
  return words
}

function wordingIn(language: string, wording: Wording | undefined): string | undefined {
  if (typeof wording !== 'object') return wording
  return Object.hasOwn(wording, language) ? wording[language] : wording['en']
}

function sellerLines(
  { lines = [], taxId }: ReceiptRequest['seller'],
  words: ReceiptWords,
): string[] {
  return [...lines, ...(taxId === undefined ? [] : [`${words.taxId} ${taxId}`])]
}

function describeItems(
  { order }: ReceiptRequest,
  {
    words,
    show,
    write,
    rate,
    locale,
  }: {
    words: ReceiptWords
    show: Show
    write: ReturnType<typeof amountFormat>
    rate: (basisPoints: number) => string
    locale: string
  },
): ItemLine[] {
  const quantities = new Intl.NumberFormat(locale)
  return order.items.map((item) => ({
    title: show(item.title),
    details: [
      `${words.sku} ${item.sku}`,
      ...Object.entries(item.attributes ?? {}).map(([name, value]) => `${name}: ${value}`),
      ...(item.discount > 0 ? [`${words.discount}: ${write(-item.discount)}`] : []),
    ].map(show),
    quantity: show(quantities.format(item.quantity)),
    unitPrice: write(item.unitPrice),
    taxRate: item.taxRateBp === undefined ? '' : rate(item.taxRateBp),
    amount: write(item.quantity * item.unitPrice),
  }))
}

/** Never the token: it is worth money. */
function describePayment(
  { order: { payment } }: ReceiptRequest,
  words: ReceiptWords,
  show: Show,
): string | null {
  const { status, provider, reference } = payment
  if (!isStatus(status)) return null
  const by = [provider, reference].filter((part) => !!part).join(', ')
  return show(by === '' ? words[status] : `${words[status]} (${by})`)
}

type Status = 'captured' | 'authorized' | 'pending' | 'not-required'

function isStatus(status: string | undefined): status is Status {
  return ['captured', 'authorized', 'pending', 'not-required'].includes(status ?? '')
}
