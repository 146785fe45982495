/**
 * Text cut to so many bytes of UTF-8, at a character's end, as PostgreSQL can store it: neither `\u0000` nor half
 * of a surrogate pair.
 */
export function storableText(text: string, maxBytes: number): string {
  const mended = text.slice(0, maxBytes).replaceAll('\u0000', '\uFFFD').toWellFormed()
  // No character has more than three bytes for each of its units.
  if (mended.length * 3 <= maxBytes) return mended
  const { read } = new TextEncoder().encodeInto(mended, new Uint8Array(maxBytes))
  return mended.slice(0, read)
}
