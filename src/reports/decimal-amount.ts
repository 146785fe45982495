import { exponentOf } from '#targets/format-amount.ts'

/** An amount in minor units as an exact decimal: 46350 EUR is `463.50`, 46350 JPY is `46350`. */
export function decimalAmount(amount: bigint, currency: string): string {
  const exponent = exponentOf(currency)
  const isNegative = amount < 0n
  const digits = `${isNegative ? -amount : amount}`.padStart(exponent + 1, '0')
  const whole = digits.slice(0, digits.length - exponent)
  const fraction = exponent === 0 ? '' : `.${digits.slice(-exponent)}`
  return `${isNegative ? '-' : ''}${whole}${fraction}`
}
