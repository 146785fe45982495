import { orderPatterns } from '#messages/order.ts'

import { patterns } from './fields.ts'

/** What each regular expression of a request means: the words behind `must`. A test looks for missing ones. */
export const patternWords: ReadonlyMap<string, string> = new Map([
  [
    orderPatterns.externalId,
    'be 1 to 64 of the characters A–Z, a–z, 0–9, "_", "." and "-", beginning with a letter or digit',
  ],
  [orderPatterns.phone, 'be a phone number such as +493012345678 (E.164)'],
  [orderPatterns.locale, 'be a language tag such as en or de-AT (BCP 47)'],
  [patterns.uuid, 'be a UUID such as 0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4'],
  [patterns.words, 'not contain \\u0000'],
  [patterns.moment, 'be a time such as 2026-11-22T10:15:00Z (RFC 3339)'],
  [patterns.limit, 'be a whole number from 1 to 500'],
  [patterns.position, 'be a page’s `nextCursor`'],
])
