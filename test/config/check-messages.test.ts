import { Type } from 'typebox'
import { expect, test } from 'vitest'

import { checkMessages } from '#config/check-messages.ts'

test('a kind is declared with a JSON Schema or a TypeBox type', () => {
  const { kinds, mistakes } = checkMessages({
    'stock.changed': { schema: { type: 'object', required: ['sku'] } },
    'parcel.sent': { schema: Type.Object({ tracking: Type.String() }) },
  })
  expect(mistakes).toEqual([])
  expect(kinds.get('stock.changed')?.findMistakes({})).toEqual([
    { pointer: '/sku', detail: 'is required' },
  ])
  expect(kinds.get('parcel.sent')?.findMistakes({ tracking: 7 })).toEqual([
    { pointer: '/tracking', detail: 'must be string' },
  ])
  expect(kinds.get('parcel.sent')?.findMistakes({ tracking: 'JD01' })).toEqual([])
})

const schema = { type: 'object' }

test.for([
  ['order.returned', { schema }, 'kinds that begin with order. or report. are ours'],
  ['report.requested', { schema }, 'kinds that begin with order. or report. are ours'],
  ['Stock Changed', { schema }, 'must be named like stock.changed'],
  ['stock.changed', schema, 'must be { schema: … }'],
  ['stock.changed', { schema: 'object' }, 'must be { schema: … }'],
  ['stock.changed', { schema, route: 'erp' }, 'route is not known here'],
  ['stock.changed', { schema: { type: 'objekt' } }, 'no type "objekt"'],
  ['stock.changed', { schema: { properties: { type: { type: 'text' } } } }, 'no type "text"'],
  ['stock.changed', { schema: { pattern: '(' } }, 'cannot be compiled'],
] as const)('%s as %j is a mistake: %s', ([kind, definition, said]) => {
  const { kinds, mistakes } = checkMessages({ [kind]: definition })
  expect(kinds.size).toBe(0)
  expect(mistakes).toEqual([
    { path: `messages['${kind}']`, message: expect.stringContaining(said) as string },
  ])
})

test('a value that looks like a type is no mistake', () => {
  const properties = { type: { enum: ['text'], default: { type: 'text' } } }
  expect(checkMessages({ note: { schema: { properties } } }).mistakes).toEqual([])
})

test('an own schema that admits everything still has to end somewhere', () => {
  const { kinds } = checkMessages({ note: { schema: {} } })
  let payload: unknown = 1
  for (let level = 0; level < 70; level += 1) payload = [payload]
  expect(kinds.get('note')?.findMistakes(payload)).toMatchObject([
    { detail: 'is nested deeper than 64 levels' },
  ])
})
