import { afterAll, beforeAll, expect, test } from 'vitest'

import { patternWords } from '#http/pattern-words.ts'
import { createOwnKind } from '#messages/own-kinds.ts'

import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

const parcel = createOwnKind({
  type: 'object',
  properties: {
    carrier: { type: 'string', enum: ['dhl', 'gls'] },
    version: { const: 1 },
    parcels: { type: 'array', minItems: 1 },
    weight: { type: 'number', exclusiveMinimum: 0 },
    code: { type: 'string', pattern: '^[A-Z]{2}$' },
    id: { type: 'string', format: 'uuid' },
    note: { type: 'string', minLength: 1, maxLength: 3 },
    owner: { not: { type: 'null' } },
  },
})

let api: TestApi
let key: string
beforeAll(async () => {
  api = await startTestApi({ kinds: new Map([['parcel.sent', parcel]]) })
  key = await api.newKey({
    scopes: ['orders:write', 'orders:read', 'messages:write', 'reports', 'ops:read', 'ops:write'],
  })
})
afterAll(() => api.close())

type Mistake = { pointer?: string; parameter?: string; detail: string }

async function mistakesOf(path: string, body?: unknown): Promise<Mistake[]> {
  const answer = await send(`${api.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'idempotency-key': crypto.randomUUID(),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  expect(answer.status).toBe(422)
  return (answer.body as { errors: Mistake[] }).errors
}

const uuid = 'must be a UUID such as 0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4'
const time = 'must be a time such as 2026-11-22T10:15:00Z (RFC 3339)'

test.each<[object, string, string]>([
  [{ currency: 5 }, '/currency', 'must be string'],
  [{ currency: 'EUX' }, '/currency', 'must be a code of ISO 4217.'],
  [{ customer: withCustomer({ email: '' }) }, '/customer/email', 'must be an email address'],
  [{ customer: withCustomer({ name: '' }) }, '/customer/name', 'must not be empty'],
  [
    { customer: withCustomer({ name: 'x'.repeat(101) }) },
    '/customer/name',
    'must have at most 100 characters',
  ],
  [
    { customer: withCustomer({ phone: '030 1234' }) },
    '/customer/phone',
    'must be a phone number such as +493012345678 (E.164)',
  ],
  [
    { customer: withCustomer({ locale: 'de_AT' }) },
    '/customer/locale',
    'must be a language tag such as en or de-AT (BCP 47)',
  ],
  [
    { externalId: 'WEB 1' },
    '/externalId',
    'must be 1 to 64 of the characters A–Z, a–z, 0–9, "_", "." and "-", beginning with a letter or digit',
  ],
  [{ placedAt: 'yesterday' }, '/placedAt', time],
  [{ items: [] }, '/items', 'must have at least 1 item'],
  [
    { payment: { status: 'paid' } },
    '/payment/status',
    'must be one of captured, authorized, pending, not-required',
  ],
])('of an order with %j, one sentence is said for people', async (change, pointer, detail) => {
  expect(await mistakesOf('/orders', { ...newOrder(), ...change })).toEqual([{ pointer, detail }])
})

test('a report says in words what its fields are, once each', async () => {
  const wrong = {
    kind: 'customers',
    format: 'xlsx',
    from: '2025-11-02',
    to: '2016-12-31T23:59:60Z',
  }
  expect(await mistakesOf('/reports', wrong)).toEqual([
    { pointer: '/kind', detail: 'must be "orders"' },
    { pointer: '/format', detail: 'must be one of csv, pdf' },
    { pointer: '/from', detail: time },
    { pointer: '/to', detail: time },
  ])
})

test('a message of a declared kind is checked in the same words', async () => {
  const payload = {
    carrier: 5,
    version: 2,
    parcels: [],
    weight: 0,
    code: 'x',
    id: 'x',
    note: '',
    owner: null,
  }
  const message = { kind: 'parcel.sent', orderId: 'x', payload }
  expect(await mistakesOf('/messages', message)).toEqual([{ pointer: '/orderId', detail: uuid }])
  expect(await mistakesOf('/messages', { kind: 'parcel.sent', payload })).toEqual([
    { pointer: '/payload/carrier', detail: 'must be string' },
    { pointer: '/payload/version', detail: 'must be 1' },
    { pointer: '/payload/parcels', detail: 'must have at least 1 item' },
    { pointer: '/payload/weight', detail: 'must be more than 0' },
    { pointer: '/payload/code', detail: 'must match the pattern ^[A-Z]{2}$' },
    { pointer: '/payload/id', detail: uuid },
    { pointer: '/payload/note', detail: 'must not be empty' },
    { pointer: '/payload/owner', detail: 'must not be of the form that its schema excludes' },
  ])
})

test('operators read the same words', async () => {
  expect(await mistakesOf('/ops/replays', { all: false, filter: { ids: ['x'] } })).toEqual([
    { pointer: '/filter/ids/0', detail: uuid },
    { pointer: '/all', detail: 'must be true' },
  ])
  expect(await mistakesOf('/ops/replays', { filter: {} })).toEqual([
    { pointer: '/filter', detail: 'must have at least 1 field' },
  ])
  const limit = 'must be a whole number from 1 to 500'
  for (const path of ['/ops/dead-letters', '/ops/replays', '/ops/orders', '/ops/audit'])
    expect(await mistakesOf(`${path}?limit=-1`)).toEqual([{ parameter: 'limit', detail: limit }])
  expect(await mistakesOf('/ops/dead-letters?since=2025-11-02&orderId=1')).toEqual([
    { parameter: 'since', detail: time },
    { parameter: 'orderId', detail: uuid },
  ])
})

type Operation = { requestBody?: unknown; parameters?: { in: string }[] }

test('every regular expression of a request has words', async () => {
  const { body } = await api.get('/openapi.json')
  const { paths, components } = body as {
    paths: Record<string, Record<string, Operation>>
    components: { schemas: { Order?: unknown } }
  }
  const asked = Object.values(paths)
    .flatMap((path) => Object.values(path))
    // An id in the path that can be none is not found.
    .map(({ requestBody, parameters }) => [
      requestBody,
      parameters?.filter((parameter) => parameter.in !== 'path'),
    ])
  const found = new Set(patternsOf([asked, components.schemas.Order]))
  expect(found.size).toBeGreaterThan(5)
  expect([...found].filter((pattern) => !patternWords.has(pattern))).toEqual([])
})

function patternsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  return Object.entries(schema).flatMap(([name, value]) =>
    name === 'pattern' && typeof value === 'string' ? [value] : patternsOf(value),
  )
}

function withCustomer(change: object): object {
  return { ...newOrder().customer, ...change }
}
