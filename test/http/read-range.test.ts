import { expect, test } from 'vitest'

import { readRange } from '#http/reports/read-range.ts'

test.for([
  ['bytes=0-9', { first: 0, last: 9 }],
  ['bytes=90-', { first: 90, last: 99 }],
  ['bytes=90-1000', { first: 90, last: 99 }],
  ['bytes=-1', { first: 99, last: 99 }],
  ['bytes=-1000', { first: 0, last: 99 }],
  ['bytes=100-', 'beyond'],
  ['bytes=-0', 'beyond'],
  ['bytes=9-0', 'unreadable'],
  ['bytes=-', 'unreadable'],
  ['bytes=0-1,5-6', 'unreadable'],
  ['lines=0-9', 'unreadable'],
  [`bytes=${'9'.repeat(400)}-`, 'unreadable'],
] as const)('of 100 bytes, %s are %o', ([header, range]) => {
  expect(readRange(header, 100)).toEqual(range)
})
