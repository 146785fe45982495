/**
 * The text or number at a place in JSON, as text: `textAt(answers.erp?.value, '/order/number')`. The place is a JSON
 * Pointer (RFC 6901). Undefined when there is nothing, or something else.
 */
export function textAt(value: unknown, pointer: string): string | undefined {
  let found = value
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined
    found = (found as Record<string, unknown>)[name]
  }
  return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined
}
