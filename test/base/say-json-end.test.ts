import { expect, test } from 'vitest'

import { sayJsonEnd } from '#base/say-json-end.ts'

test.each([
  ['{bad', 'at position 1 (line 1 column 2)'],
  ['nope', 'at position 0 (line 1 column 1)'],
  ['', 'at position 0 (line 1 column 1)'],
  ['{"a":', 'at position 5 (line 1 column 6)'],
  ['{"a": tru}', 'at position 6 (line 1 column 7)'],
  ['{"a" 1}', 'at position 5 (line 1 column 6)'],
  ['{"a":1}}', 'at position 7 (line 1 column 8)'],
  ['{"a":1}{', 'at position 7 (line 1 column 8)'],
  ['{,}', 'at position 1 (line 1 column 2)'],
  ['[1,]', 'at position 3 (line 1 column 4)'],
  ['[}', 'at position 1 (line 1 column 2)'],
  ['[{]', 'at position 2 (line 1 column 3)'],
  ['[1 2]', 'at position 3 (line 1 column 4)'],
  ['"ab', 'at position 3 (line 1 column 4)'],
  ['["\\x"]', 'at position 2 (line 1 column 3)'],
  ['"a\nb"', 'at position 2 (line 1 column 3)'],
  ['[01]', 'at position 2 (line 1 column 3)'],
  ['{"ä€😀": "\\u00e4", "b": [-0.5e+3, null, {}, []],\n x}', 'at position 50 (line 2 column 2)'],
])('%j stops being JSON %s', (text, place) => expect(sayJsonEnd(text)).toBe(place))

test('a text that is opened a million times and never closed has a place, too', () => {
  expect(sayJsonEnd('['.repeat(1_000_000))).toBe('at position 1000000 (line 1 column 1000001)')
})
