import { closest, distance } from 'fastest-levenshtein'

/** `; did you mean erp?` when one of `names` is close to `written`, else nothing. */
export function suggestName(written: string, names: readonly string[]): string {
  if (names.length === 0) return ''
  const name = closest(written, names)
  // A third of the letters wrong is still a slip; more is another word.
  const near = distance(written.toLowerCase(), name.toLowerCase()) <= Math.max(2, name.length / 3)
  return near ? `; did you mean ${name}?` : ''
}
