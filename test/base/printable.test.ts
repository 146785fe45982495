import { expect, test } from 'vitest'

import { printable, printableJson } from '#base/printable.ts'

const hostile = 'a\u001B[2Jb\u009Bc\r\nd\u202Ee\u{E0041}f\u007F'

test('what a partner answered cannot rewrite the terminal it is shown on', () => {
  expect(printable(hostile)).toBe('a�[2Jb�c��d�e�f�')
  expect(printable('Grüße, 你好 👋')).toBe('Grüße, 你好 👋')
})

test('in JSON it is escaped, and means the same', () => {
  const json = printableJson({ hostile })

  expect(json).toMatch(/^[ -~]+$/)
  expect(JSON.parse(json)).toEqual({ hostile })
})
