import { storableText } from '#targets/storable-text.ts'

/**
 * What a payment gateway said, as it may be stored and shown to anybody: without the card's token, on one line, and
 * without what moves a terminal's cursor.
 */
export function keptText(
  said: unknown,
  { token, maxBytes }: { token: string; maxBytes: number },
): string {
  const text = typeof said === 'string' ? said : ''
  // Cut first: a gateway may answer megabytes.
  const masked = withoutToken(text.slice(0, maxBytes * 4), token)
  return storableText(masked.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim(), maxBytes)
}

function withoutToken(text: string, token: string): string {
  return token === '' ? text : text.replaceAll(token, '***')
}
