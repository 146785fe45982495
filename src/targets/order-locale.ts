import type { OrderToTell } from './target.ts'

/** The customer's locale, or English when nobody knows it. Storefronts send what the browser said: also `c` or `xx-YY`. */
export function localeOf({ customer }: Pick<OrderToTell, 'customer'>): string {
  try {
    return Intl.NumberFormat.supportedLocalesOf(customer.locale ?? 'en')[0] ?? 'en'
  } catch {
    return 'en'
  }
}

/**
 * The language of the words, English when there are none in the customer's, and the locale of what goes with them:
 * never a Japanese date among English words.
 */
export function chooseLanguage(
  locale: string,
  languages: { has(language: string): boolean },
): { language: string; wordsLocale: string } {
  const { language } = new Intl.Locale(locale)
  return languages.has(language)
    ? { language, wordsLocale: locale }
    : { language: 'en', wordsLocale: 'en' }
}

/** An address line by line, the country in words. */
export function addressLines(address: OrderToTell['billingAddress'], locale: string): string[] {
  const { name, company, line1, line2, city, region, postalCode, country } = address
  const countryName = new Intl.DisplayNames(locale, { type: 'region' }).of(country) ?? country
  const place = [postalCode, city].filter(Boolean).join(' ')
  return [name, company, line1, line2, place, region, countryName].filter(
    (line) => !!line,
  ) as string[]
}
