import { expect, test } from 'vitest'

import { checkConfig } from '#config/check-config.ts'
import type { Order } from '#messages/order.ts'
import { receipt, type ReceiptOptions } from '#targets/receipt/receipt.ts'
import { renderReceipt } from '#targets/receipt/render-receipt.ts'
import type { Call, OrderToTell, Target } from '#targets/target.ts'

import { createDeadline } from './support/create-deadline.ts'
import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { readPdf } from './support/read-pdf.ts'

const seller = { name: 'Demo Shop', lines: ['Marktplatz 7', '10178 Berlin'], taxId: 'DE123' }

test('a receipt is a PDF with its fonts in it, in the customer’s language', async () => {
  const { outcome, pdf } = await make({ timeZone: 'Europe/Berlin', footer: 'HRB 12345' })
  expect(outcome).toMatchObject({
    answer: { value: { number: 'WEB-10042', pages: 1 } },
    file: { name: 'receipt-WEB-10042.pdf', contentType: 'application/pdf' },
  })
  const texts = `Beleg|Belegnummer|WEB-10042|22. November 2026|Demo Shop|USt-IdNr. DE123|
    Rechnungsadresse|Ada Lovelace|Hauptstraße 1|10115 Berlin|Deutschland|
    iPod nano, green|Art.-Nr. IPOD-GREEN|engraving: Happy|Rabatt: -5,00 €|
    2|199,00 €|19 %|398,00 €|HRB 12345|Seite 1 von 1|Bezahlt (stripe, pi_3Qx)`
  for (const text of texts.split(/\|\s*/)) expect(pdf.text.split('\n')).toContain(text)
  expect(pdf.fonts.map(({ name }) => name.replace(/^[A-Z]{6}\+/, ''))).toEqual([
    'NotoSans-Regular',
    'NotoSans-Bold',
  ])
  for (const { embeddedBytes } of pdf.fonts) {
    expect(embeddedBytes).toBeGreaterThan(2_000)
    expect(embeddedBytes).toBeLessThan(50_000)
  }
  expect(pdf.info('CreationDate')).toBe('D:20261122101501Z')
  expect(pdf.info('Title')).toBe('Beleg WEB-10042')
})

test.each([
  ['en-GB', ['Receipt', '22 November 2026', '€398.00', 'Tax 19%', '€463.50', 'Page 1 of 1']],
  ['fr-FR', ['Reçu', '22 novembre 2026', '398,00 €', 'Taxe 19 %', '463,50 €', 'Page 1 sur 1']],
  ['el-GR', ['Απόδειξη', '22 Νοεμβρίου 2026', 'Φόρος 19%', '463,50 €', 'Σελίδα 1 από 1']],
  ['ru-RU', ['Квитанция', '22 ноября 2026 г.', 'Налог 19 %', '463,50 €', 'Страница 1 из 1']],
  ['tlh', ['Receipt', 'November 22, 2026', '€463.50']],
  ['en-u-nu-deva-ca-buddhist', ['Receipt', 'November 22, 2026']],
  // What the fonts lack of a locale's digits and signs is written another way, never left out.
  ['ar-EG', ['Receipt', 'November 22, 2026', '€463.50']],
  ['fa-IR', ['Receipt', '€463.50']],
])('a receipt for the locale %s', async (locale, texts) => {
  const { order } = exampleCall()
  const { pdf } = await render({ customer: { ...order.customer, locale } })
  for (const text of texts) expect(pdf.text.split('\n')).toContain(text)
  expect(pdf.text).not.toContain('\uFFFD')
})

test.each([
  ['JPY', 'ja-JP', '¥46,350'],
  ['KWD', 'en-US', 'KWD 46.350'],
  ['INR', 'hi-IN', '₹463.50'],
  ['BDT', 'bn-BD', 'BDT 463.50'],
])('amounts in %s for the locale %s', async (currency, locale, total) => {
  const { order } = exampleCall()
  const { pdf } = await render({ currency, customer: { ...order.customer, locale } })
  expect(pdf.text.split('\n')).toContain(total)
})

test('the sums of a receipt are those of the order, taxes by rate', async () => {
  const { order } = exampleCall()
  const items = [1_900, 700, 700, 0, undefined].map((taxRateBp, n) => {
    const item = { ...order.items[0], lineId: `${n}`, tax: 100 * n + 11, discount: 0 }
    delete item.taxRateBp
    return taxRateBp === undefined ? item : { ...item, taxRateBp }
  }) as Order['items']
  const shipping = [
    { code: 'dhl', title: 'DHL', amount: 490, tax: 93 },
    { code: 'gls', title: 'GLS', amount: 700, tax: 0 },
  ]
  const { pdf } = await render({ items, shipping })
  expect(pairs(pdf)).toMatchObject({
    Zwischensumme: '398,00 €',
    'Rabatt TENOFF': '-10,00 €',
    'Versand: DHL': '4,90 €',
    'Versand: GLS': '7,00 €',
    'Steuer 19 %': '0,11 €',
    'Steuer 7 %': '3,22 €',
    'Steuer 0 %': '3,11 €',
    Steuer: '4,11 €',
    'Steuer auf Versand': '0,93 €',
    Gesamtbetrag: '463,50 €',
  })
  const lines = pdf.text.split('\n')
  expect(lines.indexOf('Steuer 19 %')).toBeLessThan(lines.indexOf('Gesamtbetrag'))
})

test('taxes that are in the prices stand below the total', async () => {
  const { pdf } = await render({ pricesIncludeTax: true })
  const lines = pdf.text.split('\n')
  expect(pairs(pdf)).toMatchObject({ 'Steuer 19 %, enthalten': '74,67 €' })
  expect(lines.indexOf('Steuer 19 %, enthalten')).toBeGreaterThan(lines.indexOf('Gesamtbetrag'))
})

test('the same order gives the same bytes, whatever was made in between', async () => {
  const target = createTarget('receipt', receipt({ seller }))
  const first = await tell(target, exampleCall())
  const { order } = exampleCall()
  const title = 'Ω‐Ωmega  ﬁ fi Ǆ'
  await tell(target, exampleCall({ order: { ...order, items: withTitle(order, title) } }))
  expect(await tell(target, exampleCall({ attempt: 2 }))).toEqual(first)
  expect(await renderReceipt(request(exampleCall().order))).toEqual(
    await renderReceipt(request(exampleCall().order)),
  )
})

test('500 items take many pages, each with the names of the columns and its number', async () => {
  const { order } = exampleCall()
  const [item] = order.items
  const items = Array.from({ length: 500 }, (_, n) => ({ ...item, title: `Товар ${n}, ${n * 7}` }))
  const { pdf } = await render({ items: items as Order['items'] })
  const count = pdf.pages.length
  expect(count).toBeGreaterThan(20)
  const seen = pdf.pages.map((texts) => texts.map(({ text }) => text))
  expect(seen.map((texts) => texts.filter((text) => text.startsWith('Seite ')))).toEqual(
    seen.map((_texts, n) => [`Seite ${n + 1} von ${count}`]),
  )
  const withItems = seen.filter((texts) => texts.includes('Art.-Nr. IPOD-GREEN'))
  for (const texts of withItems)
    expect(texts).toEqual(expect.arrayContaining(['Artikel', 'Menge', 'Einzelpreis', 'Betrag']))
  for (const texts of seen.slice(1)) expect(texts).toContain('Beleg WEB-10042')
  const titles = seen.flat().filter((text) => text.startsWith('Товар '))
  expect(titles).toEqual(items.map(({ title }) => title))
  expect(pairs(pdf)).toMatchObject({ Gesamtbetrag: '463,50 €' })
  // Nothing runs into the foot of its page, or out of it.
  for (const text of pdf.pages.flat()) expect(text.fromTop).toBeLessThan(815)
})

test('a long title is wrapped, a word longer than the column is broken, and nothing is lost', async () => {
  const { order } = exampleCall()
  const long = `${'long '.repeat(20)}${'W'.repeat(155)}`
  const attributes = { note: 'x'.repeat(512) }
  const items = order.items.map((item) => ({ ...item, title: long, attributes }))
  const { pdf } = await render({ items })
  const column = pdf.pages.flat().filter(({ x }) => x < 52)
  expect(column.map(({ text }) => text).join('')).toContain('W'.repeat(155))
  expect(pdf.text.match(/long/g)).toHaveLength(20)
  expect(column.map(({ text }) => text).join('')).toContain('x'.repeat(512))
})

test('an item that is longer than a page goes on on the next', async () => {
  const { order } = exampleCall()
  const names = Array.from({ length: 20 }, (_, n) => `attribute ${n}`)
  const attributes = Object.fromEntries(names.map((name) => [name, 'words '.repeat(85)]))
  const { pdf } = await render({ items: order.items.map((item) => ({ ...item, attributes })) })
  expect(pdf.pages.length).toBeGreaterThan(3)
  expect(pdf.text.match(/words/g)).toHaveLength(1_700)
  for (const { fromTop } of pdf.pages.flat()) expect(fromTop).toBeLessThan(815)
})

test('what the fonts lack can be seen to be missing, and what hides is gone', async () => {
  const { order } = exampleCall()
  const title = 'A\u0301 👨‍👩‍👧‍👦 日本 ok\u0000\u001b[31m \u202Egnp\u200b ❤️'
  const { pdf } = await render({ items: withTitle(order, title) })
  expect(pdf.text).toContain('Á \uFFFD \uFFFD\uFFFD ok\uFFFD\uFFFD[31m gnp \uFFFD')
})

test('no text breaks a receipt', async () => {
  const { order } = exampleCall()
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  const ranges = [
    0x250, 0x370, 0x530, 0x980, 0x1ab0, 0x2100, 0x20d0, 0xa720, 0xfb00, 0xfe20, 0x1f300,
  ]
  const evil = () =>
    Array.from({ length: 60 }, () =>
      String.fromCodePoint((ranges[random(11)] ?? 0) + random(0x100)),
    )
      .join('')
      .toWellFormed()
  const [item] = order.items
  const items = Array.from({ length: 100 }, () => ({ ...item, title: evil(), sku: 'W'.repeat(64) }))
  const { pdf } = await render({ items: items as Order['items'] })
  expect(pdf.pages.length).toBeGreaterThan(5)
})

test('a receipt of a cancelled order says so on every page, and keeps saying it', async () => {
  const target = createTarget('receipt', receipt({ seller }))
  const { message } = exampleCall()
  const cancelled = exampleCall({
    message: { ...message, kind: 'order.cancelled', createdAt: '2026-11-23T08:00:00.000Z' },
  })
  const outcome = await tell(target, cancelled)
  const text = readPdf(outcome.file?.bytes ?? new Uint8Array()).text
  expect(text).toContain('Diese Bestellung wurde am 23. November 2026 storniert.')
  expect(text).toContain('STORNIERT')

  const value = outcome.answer?.value
  const later = exampleCall({ answers: { receipt: { value } } })
  expect(readPdf((await tell(target, later)).file?.bytes ?? new Uint8Array()).text).toBe(text)
})

test('a shop names and numbers its receipts, by language', async () => {
  const { outcome, pdf } = await make({
    number: ({ order }) => `R-2026-${order.externalId.slice(4)}`,
    title: { en: 'Invoice', de: 'Rechnung' },
    footer: { en: 'Thank you' },
  })
  expect(outcome).toMatchObject({ answer: { value: { number: 'R-2026-10042' } } })
  const lines = pdf.text.split('\n')
  for (const text of ['Rechnung', 'R-2026-10042', 'Bestellung', 'WEB-10042', 'Thank you'])
    expect(lines).toContain(text)
})

test.each([
  [() => '', 'targets.receipt.number returned something else than 1 to 64 characters'],
  [
    () => {
      throw new Error('no more numbers')
    },
    'targets.receipt.number threw: no more numbers',
  ],
])('a receipt that gets no number is given up', async (number, reason) => {
  const target = createTarget('receipt', receipt({ seller, number }))
  expect(await target.call(exampleCall())).toEqual({ kind: 'give-up', reason })
})

test('a receipt that is not made in time is tried again, and the next one is made all the same', async () => {
  const target = createTarget('receipt', receipt({ seller }))
  const deadline = createDeadline()
  const late = target.call(exampleCall({ signal: deadline.signal }))
  const behind = target.call(exampleCall({ signal: deadline.signal }))
  const next = tell(target, exampleCall())
  deadline.pass()
  const notMade = { kind: 'try-again', reason: 'not rendered: out of time' }
  expect(await Promise.all([late, behind])).toEqual([notMade, notMade])
  expect(await next).toMatchObject({ kind: 'delivered' })
})

test('a process goes on with other things while 500 items are rendered', async () => {
  const { order } = exampleCall()
  const items = Array.from({ length: 500 }, (_, n) => ({ ...order.items[0], title: `Item ${n}` }))
  const target = createTarget('receipt', receipt({ seller }))
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  await tell(target, exampleCall({ order: { ...order, items: items as Order['items'] } }))
  clearInterval(timer)
  // Rendered here, none would come before the end.
  expect(turns).toBeGreaterThan(3)
})

test.each([
  [{ timeZone: 'Berlin' }, 'timeZone: must be a time zone like Europe/Berlin'],
  [{ title: { de: 'Rechnung' } }, 'title: needs en, for those whose language it does not have'],
  [{ seller: { name: '' } }, 'seller.name: must not be empty'],
  [{ number: 'R-1' as never }, 'number: must be a function'],
])('a receipt that is configured wrong is refused at the start', (options, mistake) => {
  const target = receipt({ seller, ...options })
  const check = () =>
    checkConfig(
      { targets: { receipt: target }, routes: {} },
      { file: 'orderwheel.config.ts', environment: {}, directory: '/' },
    )
  expect(check).toThrow(`targets.receipt.${mistake}`)
})

async function make(options: Partial<ReceiptOptions>) {
  const outcome = await tell(
    createTarget('receipt', receipt({ seller, ...options })),
    exampleCall(),
  )
  return { outcome, pdf: readPdf(outcome.file?.bytes ?? new Uint8Array()) }
}

async function tell(target: Target, call: Call) {
  const outcome = await target.call(call)
  if (outcome.kind !== 'delivered') throw new Error(`${outcome.kind}: ${outcome.reason}`)
  return outcome
}

async function render(changes: Partial<Order>) {
  const { bytes } = await renderReceipt(request({ ...exampleCall().order, ...changes }))
  return { pdf: readPdf(bytes) }
}

function request(order: OrderToTell) {
  return { order, seller, number: order.externalId, timeZone: 'UTC', cancelledAt: null }
}

function withTitle(order: OrderToTell, title: string): Order['items'] {
  return order.items.map((item) => ({ ...item, title }))
}

/** The sums: each name with the amount on its line. */
function pairs(pdf: ReturnType<typeof readPdf>): Record<string, string> {
  const texts = pdf.pages.flat()
  return Object.fromEntries(
    texts
      .filter(({ x }) => x === 290)
      .map((name) => [
        name.text,
        texts.find((other) => other !== name && other.x > 400 && other.fromTop === name.fromTop)
          ?.text ?? '',
      ]),
  )
}
