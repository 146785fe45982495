/** Why a database cannot be worked with, for a person: node-postgres's own error is often only a code. */
export function sayUnavailable(error: unknown): string {
  const reasons: unknown[] = error instanceof AggregateError ? error.errors : [error]
  return reasons
    .map((reason) => (reason instanceof Error ? reason.message : String(reason)))
    .join('; ')
}
