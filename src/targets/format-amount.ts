/** ISO 4217 minor units; every other currency in use has 2. Intl's own figures follow habits instead (IQD 0, not 3). */
const exponents = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'
    .split(' ')
    .map((currency) => [currency, 0] as const),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((currency) => [currency, 3] as const),
])

export function exponentOf(currency: string): number {
  return exponents.get(currency) ?? 2
}

/** Writes amounts in minor units as the locale writes money: 46350 EUR is `463,50 €` in de-DE. */
export function amountFormat(currency: string, locale: string): (amount: number) => string {
  const exponent = exponentOf(currency)
  const format = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    minimumFractionDigits: exponent,
    maximumFractionDigits: exponent,
  })
  return (amount) => format.format(decimal(amount, exponent))
}

/** A decimal string, as Intl takes it: exact, where a division would round. */
function decimal(amount: number, exponent: number): Intl.StringNumericLiteral {
  const digits = `${Math.abs(amount)}`.padStart(exponent + 1, '0')
  const whole = digits.slice(0, digits.length - exponent)
  const fraction = exponent === 0 ? '' : `.${digits.slice(-exponent)}`
  return `${amount < 0 ? '-' : ''}${whole}${fraction}` as Intl.StringNumericLiteral
}
