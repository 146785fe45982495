import { expect, test } from 'vitest'

import { isCardNumber } from '#orders/card-number.ts'

test.each([
  ['4242424242424242'],
  ['4242 4242 4242 4242'],
  ['4242-4242-4242-4242'],
  [' 4242 4242 4242 4242 '],
  ['4242 4242–4242‐4242'],
  ['378282246310005'],
  ['4222222222222'],
  ['6304000000000000000'],
])('%s is a card number', (text) => expect(isCardNumber(text)).toBe(true))

test.each([
  ['4242424242424241'],
  ['tok_4242424242424242'],
  ['4242424242424242-a'],
  ['424242424242'],
  ['42424242424242424242'],
  ['4242.4242.4242.4242'],
  ['tok_approve'],
  ['pi_3MtwBwLkdIwHu7ix28a3tqPa'],
  [''],
])('%j is none', (text) => expect(isCardNumber(text)).toBe(false))
