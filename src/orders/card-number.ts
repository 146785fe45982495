/**
 * Whether a text is what stands on a payment card: 13 to 19 digits, spaces and dashes between them allowed, whose last
 * one is right (ISO/IEC 7812-1, Luhn). One in ten of other numbers of that length is taken for one, too.
 */
export function isCardNumber(text: string): boolean {
  const digits = text.replaceAll(/[\s\p{Dash_Punctuation}]/gu, '')
  return /^\d{13,19}$/.test(digits) && luhnSum(digits) % 10 === 0
}

/** Every second digit from the right counts twice; of what has two digits then, their sum. */
function luhnSum(digits: string): number {
  const counted = digits
    .split('')
    .toReversed()
    .map((digit, place) => {
      const value = Number(digit) * (place % 2 === 0 ? 1 : 2)
      return value > 9 ? value - 9 : value
    })
  return counted.reduce((sum, value) => sum + value, 0)
}
