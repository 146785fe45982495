import { expect, test } from 'vitest'

import { describeOrder } from '#targets/describe-order.ts'

import { exampleCall } from './support/example-call.ts'

const languages = new Map([
  ['en', { total: 'Total' }],
  ['de', { total: 'Gesamtbetrag' }],
])

test.each([
  // The template has no Japanese or French words: English ones, with an English date and country.
  ['ja-JP', 'Total', 'November 22, 2026', 'Germany', '€463.50'],
  ['fr-FR', 'Total', 'November 22, 2026', 'Germany', '463,50 €'],
  ['en-GB', 'Total', '22 November 2026', 'Germany', '€463.50'],
  ['en-US', 'Total', 'November 22, 2026', 'Germany', '€463.50'],
  ['de-AT', 'Gesamtbetrag', '22. November 2026', 'Deutschland', '€ 463,50'],
  ['xx-YY', 'Total', 'November 22, 2026', 'Germany', '€463.50'],
])(
  'a customer of %s reads words, date and country in one language',
  (locale, total, date, country, amount) => {
    const { order } = exampleCall()
    const call = exampleCall({ order: { ...order, customer: { ...order.customer, locale } } })
    const view = describeOrder(call, languages, { shopName: 'Demo Shop', timeZone: 'UTC' })
    expect({
      total: view.t['total'],
      date: view.placedOn,
      country: view.billingAddress.at(-1),
      // Intl writes no-break spaces.
      amount: view.totals.total.replaceAll(/\s+/g, ' '),
    }).toEqual({ total, date, country, amount })
  },
)
