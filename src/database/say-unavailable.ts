/** Why a database cannot be worked with, for a person: node-postgres's own error is often only a code. */
export function sayUnavailable(error: unknown): string {
  const reasons: unknown[] = error instanceof AggregateError ? error.errors : [error]
  const said = reasons.map((reason) => (reason instanceof Error ? reason.message : String(reason)))
  const text = said.join('; ')
  // PgBouncer's words. It would take them if told to ignore them: then nothing would end a frozen transaction.
  return text.includes('unsupported startup parameter')
    ? `${text}: DATABASE_URL goes through a pooler, so set DIRECT_DATABASE_URL to the database itself`
    : text
}
