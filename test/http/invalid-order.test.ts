import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Order } from '#messages/order.ts'

import { newOrder, startTestApi, type Answer, type TestApi } from './test-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api.close())

function pointers(answer: Answer): string[] {
  const { errors = [] } = answer.body as { errors?: { pointer: string }[] }
  return errors.map((error) => error.pointer)
}

function changed(change: (order: Order) => unknown): unknown {
  const order = newOrder()
  return change(order) ?? order
}

const card = '4242424242424242'

test.each<[string, string, (order: Order) => unknown]>([
  ['a wrong total', '/totals/total', (o) => ({ ...o, totals: { ...o.totals, total: 46_351 } })],
  ['an unknown field', '/externalID', (o) => ({ ...o, externalID: 'x' })],
  ['an unknown field with / and ~', '/a~1b~0c', (o) => ({ ...o, 'a/b~c': 1 })],
  ['a number as string', '/items/0/quantity', (o) => withItem(o, { quantity: '2' })],
  ['half a cent', '/items/0/unitPrice', (o) => withItem(o, { unitPrice: 0.5 })],
  ['a negative price', '/items/0/unitPrice', (o) => withItem(o, { unitPrice: -1 })],
  ['a price beyond all', '/items/0/unitPrice', (o) => withItem(o, { unitPrice: 1e12 })],
  ['a quantity of none', '/items/0/quantity', (o) => withItem(o, { quantity: 0 })],
  ['a currency that does not exist', '/currency', (o) => ({ ...o, currency: 'EUX' })],
  ['a country that does not exist', '/billingAddress/country', (o) => withCountry(o, 'XX')],
  ['501 items', '/items', (o) => ({ ...o, items: Array(501).fill(o.items[0]) })],
  ['no items', '/items', (o) => ({ ...o, items: [] })],
  ['no customer', '/customer', (o) => ({ ...o, customer: undefined })],
  ['an email without @', '/customer/email', (o) => withEmail(o, 'ada')],
  ['a date that is none', '/placedAt', (o) => ({ ...o, placedAt: '2026-02-30T00:00:00Z' })],
  ['a leap second', '/placedAt', (o) => ({ ...o, placedAt: '2016-12-31T23:59:60Z' })],
  ['a time without a zone', '/placedAt', (o) => ({ ...o, placedAt: '2026-02-20T00:00:00' })],
  ['an external id with a slash', '/externalId', (o) => ({ ...o, externalId: 'a/b' })],
  ['an external id with a line break', '/externalId', (o) => ({ ...o, externalId: 'a\n' })],
  ['\\u0000 in a text', '/note', (o) => ({ ...o, note: 'a\u0000b' })],
  ['\\u0000 in a key', '/metadata/a\u0000', (o) => ({ ...o, metadata: { 'a\u0000': 'b' } })],
  ['half an emoji', '/items/0/title', (o) => withItem(o, { title: '\ud83d' })],
  ['half an emoji in a key', '/metadata/\ufffd', (o) => ({ ...o, metadata: { '\udc00': 'b' } })],
  ['a key longer than 64', `/metadata/${'k'.repeat(65)}`, (o) => withMetadata(o, 'k'.repeat(65))],
  ['a nested value', '/metadata/a', (o) => ({ ...o, metadata: { a: { b: 'c' } } })],
  ['a nested value behind a line break', '/metadata/a\nb', (o) => withNested(o, 'a\nb')],
  ['51 metadata entries', '/metadata', (o) => ({ ...o, metadata: entries(51) })],
  ['21 attributes', '/items/0/attributes', (o) => withItem(o, { attributes: entries(21) })],
  ['payment both ways', '/payment', (o) => ({ ...o, payment: { status: 'captured', token: 't' } })],
  ['payment no way', '/payment', (o) => ({ ...o, payment: { provider: 'stripe' } })],
  ['a token nobody can charge', '/payment/token', (o) => ({ ...o, payment: { token: 'tok_1' } })],
  ['a card number for a token', '/payment/token', (o) => ({ ...o, payment: { token: card } })],
  ['a line id twice', '/items/1/lineId', (o) => ({ ...o, items: [o.items[0], o.items[0]] })],
  ['a note too long', '/note', (o) => ({ ...o, note: 'x'.repeat(2_001) })],
  ['an array for an order', '', (o) => [o]],
  ['a number for an order', '', () => 7],
])('%s is refused, and the answer says where', async (_what, pointer, change) => {
  const answer = await api.post(changed(change))
  expect(answer).toMatchObject({ status: 422, body: { code: 'invalid-order', status: 422 } })
  expect(answer.headers.get('content-type')).toMatch('application/problem+json')
  expect(pointers(answer)).toContain(pointer)
})

test.each([
  ['yesterday', 'must be a time such as'],
  ['2026-11-22 10:15:00Z', 'must be a time such as'],
  ['2026-11-22t10:15:00z', 'must be a time such as'],
  ['2026-11-22T10:15:00+0100', 'must be a time such as'],
  ['2026-11-22T10:15:00+01', 'must be a time such as'],
  ['2016-12-31T23:59:60Z', 'must be a time such as'],
  ['0000-01-01T00:00:00Z', 'must be in the years'],
  ['1970-01-01T00:00:00Z', 'must be in the years 2000 to 2099'],
  ['1999-12-31T23:59:59Z', 'must be in the years'],
  ['2000-01-01T00:30:00+01:00', 'must be in the years'],
  ['2100-01-01T00:00:00Z', 'must be in the years'],
  ['9999-12-31T23:59:59Z', 'must be in the years'],
])('an order placed at %s is refused with the reason', async (placedAt, detail) => {
  expect(await api.post(newOrder({ placedAt }))).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: '/placedAt', detail: expect.stringContaining(detail) }] },
  })
})

test.each([
  '2000-01-01T00:00:00Z',
  '2026-11-22T10:15:00.123456+05:30',
  '2026-11-22T10:15:00-00:00',
  '2099-12-31T23:59:59.999Z',
])('an order placed at %s is taken', async (placedAt) => {
  expect((await api.post(newOrder({ placedAt }))).status).toBe(202)
})

test('every wrong sum is named with the right one', async () => {
  const order = newOrder({ totals: { subtotal: 1, discount: 2, shipping: 3, tax: 4, total: 5 } })
  expect((await api.post(order)).body).toMatchObject({
    errors: [
      { pointer: '/totals/subtotal', detail: expect.stringMatching(/39800.*but is 1$/) },
      { pointer: '/totals/discount', detail: expect.stringMatching(/1500.*but is 2$/) },
      { pointer: '/totals/shipping', detail: expect.stringMatching(/490.*but is 3$/) },
      { pointer: '/totals/tax', detail: expect.stringMatching(/7560.*but is 4$/) },
      { pointer: '/totals/total', detail: expect.stringMatching(/must be 6 .*but is 5$/) },
    ],
  })
})

test('an order with tax in its prices adds no tax to the total', async () => {
  const order = newOrder({ pricesIncludeTax: true })
  expect((await api.post(order)).status).toBe(422)
  order.totals.total = 38_790
  expect((await api.post(order)).status).toBe(202)
})

test('sums beyond every amount are refused, not rounded', async () => {
  const { items, ...order } = newOrder()
  const [item] = items
  const dear = { ...item, quantity: 100_000, unitPrice: 999_999_999_999 }
  const answer = await api.post({ ...order, items: [dear] })
  expect(answer.status).toBe(422)
  expect(pointers(answer)).toContain('/totals/subtotal')
})

test('a misspelt field is answered with the right spelling', async () => {
  const { currency, ...order } = newOrder()
  expect((await api.post({ ...order, curency: currency })).body).toMatchObject({
    errors: expect.arrayContaining([
      { pointer: '/currency', detail: 'is required' },
      { pointer: '/curency', detail: 'is not a known field; did you mean currency?' },
    ]),
  })
})

test('of very many mistakes, the first hundred are named', async () => {
  const answer = await api.post({ ...newOrder(), items: Array(500).fill(null) })
  expect(pointers(answer)).toHaveLength(100)
  expect(answer.body).toMatchObject({ detail: 'The first 100 of 500 errors.' })
})

test.each<[string, string, (order: Order) => unknown]>([
  ['60 000 items', '/items', () => ({ items: Array(60_000).fill(0) })],
  ['9 000 shipping lines', '/shipping', (o) => ({ ...o, shipping: Array(9_000).fill(0) })],
  ['9 000 discounts', '/discounts', (o) => ({ ...o, discounts: Array(9_000).fill(0) })],
  ['9 000 metadata entries', '/metadata', (o) => ({ ...o, metadata: entries(9_000), note: 1 })],
  [
    'attributes',
    '/items/0/attributes',
    (o) => withItem(o, { attributes: entries(9_000), tax: '' }),
  ],
  ['9 000 unknown fields', '', (o) => ({ ...o, ...entries(9_000) })],
  ['unknown fields', '/customer', (o) => ({ ...o, note: 1, customer: entries(9_000) })],
  ['9 000 fields of an item', '/items/0', (o) => withItem(o, entries(9_000))],
])(
  'of far too many entries, nothing but their number is looked at: %s',
  async (_, where, change) => {
    expect((await api.post(changed(change))).body).toMatchObject({
      code: 'invalid-order',
      errors: [{ pointer: where, detail: expect.stringMatching(/^must have at most \d+ /) }],
    })
  },
)

test('an order may have 500 items, emoji, quotes and every optional field left out', async () => {
  const { items, note: _, metadata: __, shipping: ___, discounts: ____, ...order } = newOrder()
  const item = { ...items[0], unitPrice: 100, quantity: 1, discount: 0, tax: 0 }
  const many = {
    ...order,
    items: Array.from({ length: 500 }, (_, n) => ({ ...item, lineId: `${n}`, title: '📦 "x"\\' })),
    totals: { subtotal: 50_000, discount: 0, shipping: 0, tax: 0, total: 50_000 },
  }
  const placed = await api.post(many)
  expect(placed.status).toBe(202)
  const { id } = placed.body as { id: string }
  expect((await api.get(`/orders/${id}`)).body).toMatchObject({ order: many })
})

function withItem(order: Order, change: object): unknown {
  return { ...order, items: [{ ...order.items[0], ...change }] }
}

function withCountry(order: Order, country: string): unknown {
  return { ...order, billingAddress: { ...order.billingAddress, country } }
}

function withEmail(order: Order, email: string): unknown {
  return { ...order, customer: { ...order.customer, email } }
}

function withMetadata(order: Order, key: string): unknown {
  return { ...order, metadata: { [key]: 'x' } }
}

function withNested(order: Order, key: string): unknown {
  return { ...order, metadata: { [key]: { deep: [1] } } }
}

function entries(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'x']))
}
