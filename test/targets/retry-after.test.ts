import { expect, test } from 'vitest'

import { readRetryAfter } from '#targets/http/retry-after.ts'

const now = new Date('2026-11-22T10:15:00Z')

test.each([
  ['120', 120],
  [' 3 ', 3],
  ['0', 0],
  ['Sun, 22 Nov 2026 10:15:30 GMT', 30],
  ['Sun, 22 Nov 2026 10:00:00 GMT', 0],
  ['86400', 3_600],
  ['Mon, 22 Nov 2027 10:15:00 GMT', 3_600],
  ['-5', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After: %s means %s seconds', (value, expected) => {
  expect(readRetryAfter(value, now)).toBe(expected)
})
