/**
 * The value as JSON with every object's keys in one order, so that two spellings of the same value are
 * the same text. Takes what `JSON.parse` returns, no deeper than the order schema allows and without a
 * key `__proto__`, which parse-json-body.ts refuses.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sortKeys(value))
}

function sortKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sortKeys)
  const members = value as Record<string, unknown>
  const sorted: Record<string, unknown> = {}
  for (const key of Object.keys(members).sort()) sorted[key] = sortKeys(members[key])
  return sorted
}
