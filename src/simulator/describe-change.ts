/** `erp: outage is true (was false), latencyMs stays 8000`: what a change named, in one line. */
export function describeChange(
  name: string,
  change: object,
  { before, after }: { before: object; after: object },
): string {
  const was = new Map<string, unknown>(Object.entries(before))
  const is = new Map<string, unknown>(Object.entries(after))
  const fields = Object.keys(change).map((field) => {
    const [old, now] = [was.get(field), is.get(field)].map((value) => JSON.stringify(value))
    return old === now ? `${field} stays ${now}` : `${field} is ${now} (was ${old})`
  })
  return `${name}: ${fields.join(', ') || 'nothing changed'}`
}
