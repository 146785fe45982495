import { amountFormat } from '#targets/format-amount.ts'

import { shownText } from './shown-text.ts'

/**
 * Writes amounts as the first of `locales` does whose digits and signs the fonts have: Arabic ones they lack. The
 * last is taken in any case, its currency by code where the fonts lack the sign.
 */
export function writeAmounts(
  currency: string,
  locales: readonly string[],
  covers: (codePoint: number) => boolean,
): (amount: number) => string {
  const formats = locales.map((locale) => amountFormat(currency, locale))
  const shown = formats.map((format) => (amount: number) => shownText(format(amount), covers))
  const found = shown.find((format) => !format(-1_234_567_890).includes('\uFFFD'))
  return found ?? ((amount) => `${currency} ${shown.at(-1)?.(amount).replaceAll('\uFFFD', '')}`)
}
