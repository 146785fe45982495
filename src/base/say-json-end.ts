/**
 * Where a text that is not JSON stops being JSON, in words: `at position 8 (line 2 column 3)`, counting characters from
 * 0, lines and columns from 1. The engine's own message has no place for some mistakes, and quotes the text.
 */
export function sayJsonEnd(text: string): string {
  const end = findJsonEnd(text)
  const lines = text.slice(0, end).split('\n')
  return `at position ${end} (line ${lines.length} column ${(lines.at(-1)?.length ?? 0) + 1})`
}

type Expected = 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'rest'

/** The length of the longest part that JSON can begin with, up to a whole word; RFC 8259. Depth does no harm. */
function findJsonEnd(text: string): number {
  const open: (']' | '}')[] = []
  let expected: Expected = 'value'
  for (let at = pass(space, text, 0); ; at = pass(space, text, at)) {
    const closing = open.at(-1)
    const here = text[at]
    if (here === closing && closing && (expected === 'rest' || expected.startsWith('first'))) {
      open.pop()
      expected = 'rest'
      at += 1
    } else if (expected === 'rest') {
      if (!closing || here !== ',') return at
      expected = closing === '}' ? 'key' : 'value'
      at += 1
    } else if (expected === 'colon') {
      if (here !== ':') return at
      expected = 'value'
      at += 1
    } else if (here === '"') {
      const end = pass(openString, text, at)
      if (text[end] !== '"') return end
      expected = expected.endsWith('key') ? 'colon' : 'rest'
      at = end + 1
    } else if (expected.endsWith('key')) return at
    else if (here === '{' || here === '[') {
      open.push(here === '{' ? '}' : ']')
      expected = here === '{' ? 'first key' : 'first value'
      at += 1
    } else {
      const end = pass(word, text, at)
      if (end === at) return at
      expected = 'rest'
      at = end
    }
  }
}

const space = /[ \t\n\r]*/y
// From the space on, everything but " and \.
const openString = /"(?:[ !#-[\]-\uffff]+|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*/y
const word = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

function pass(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : from
}
