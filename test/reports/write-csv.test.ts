import { expect, test } from 'vitest'

import { decimalAmount } from '#reports/decimal-amount.ts'
import { sumOrders } from '#reports/sum-orders.ts'
import { writeCsv } from '#reports/write-csv.ts'

import { reportedOrder } from './reported-order.ts'

test('amounts are exact decimals of their currency, also beyond what numbers hold', () => {
  expect(decimalAmount(46_350n, 'EUR')).toBe('463.50')
  expect(decimalAmount(5n, 'EUR')).toBe('0.05')
  expect(decimalAmount(0n, 'KWD')).toBe('0.000')
  expect(decimalAmount(46_350n, 'JPY')).toBe('46350')
  expect(decimalAmount(-105n, 'EUR')).toBe('-1.05')
  const sums = sumOrders()
  const total = 999_999_999_999n
  const most = reportedOrder({ totals: { ...reportedOrder().totals, total } })
  for (let n = 0; n < 100; n += 1) sums.add(Array.from({ length: 1_000 }, () => most))
  expect(sums.list()[0]?.total).toBe('999999999999000.00')
})

test('a line has as many cells as the header, whatever is in them', () => {
  const csv = writeCsv()
  const [header = ''] = Buffer.from(csv.begin()).toString().split('\r\n')
  const hostile = reportedOrder({
    placedAt: 'never, "or\r\nlater"',
    shippingCountry: null,
    payment: { status: '\r=1', provider: '"', reference: null },
  })
  const line = Buffer.from(csv.add([hostile])).toString()
  const separators = line.replaceAll(/"(?:[^"]|"")*"/g, '').match(/,/g)
  expect(separators).toHaveLength(header.split(',').length - 1)
  expect(line).toContain(`"'\r'=1",""""`)
  expect(line).toContain('"never, ""or\r\nlater"""')
  expect(Buffer.from(csv.end([]))).toHaveLength(0)
})

test('a formula behind a semicolon, a tab or a line break is none for a spreadsheet that separates cells there', () => {
  const csv = writeCsv()
  const written = (reference: string) =>
    Buffer.from(
      csv.add([reportedOrder({ payment: { status: 'captured', provider: 'stripe', reference } })]),
    )
      .toString()
      .split(',stripe,')
      .at(-1)
  expect(written('pi_1;=HYPERLINK(A1)')).toBe("pi_1;'=HYPERLINK(A1)\r\n")
  expect(written('a\t+1;-2;@3; ＝4')).toBe("a\t'+1;'-2;'@3; '＝4\r\n")
  expect(written('a;"=1')).toBe(`"a;""'=1"\r\n`)
  expect(written('a\n=1')).toBe(`"a\n'=1"\r\n`)
  expect(written('a;b-c=d')).toBe('a;b-c=d\r\n')
})
