import { closest, distance } from 'fastest-levenshtein'

/** `; did you mean erp?` when one of `names` is close to `written` or begins with it, else nothing. */
export function suggestName(written: string, names: readonly string[]): string {
  const name = findNear(written, names) ?? findLonger(written, names)
  return name === undefined ? '' : `; did you mean ${name}?`
}

function findNear(written: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined
  const name = closest(written, names)
  // A third of the letters wrong is still a slip; more is another word.
  const near = distance(written.toLowerCase(), name.toLowerCase()) <= Math.max(2, name.length / 3)
  return near ? name : undefined
}

/** `timeout` for `timeoutSeconds`: the unit is what people leave out. */
function findLonger(written: string, names: readonly string[]): string | undefined {
  return written.length < 3 ? undefined : names.find((name) => name.startsWith(written))
}
