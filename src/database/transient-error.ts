/**
 * Whether the same statement may well succeed in a moment: the database is unavailable, or two
 * transactions were in each other's way. Nothing is wrong with what was asked.
 */
export function isTransient(error: unknown): boolean {
  // Class 40: deadlock, serialization failure.
  return isDatabaseUnavailable(error) || /^40...$/.test(codeOf(error))
}

/** Whether two transactions waited for each other, and PostgreSQL ended this one: it did nothing. */
export function isDeadlock(error: unknown): boolean {
  return codeOf(error) === '40P01'
}

/**
 * Whether the error is the database's state (gone, full, read-only after a failover, not migrated, too
 * slow to answer) rather than what it was asked to do. Whether a commit happened is unknown.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  return (
    // 08 connection exception; 25006 read-only; 25P03 and 25P04 a transaction took too long, its session is
    // ended; 28 refused login; 3D000/3F000/42P01/42703 not there or not
    // migrated; 53 out of disk, memory or connections; 55P03 and 57 locked, cancelled or shut down by an
    // administrator; 58 disk error.
    /^(08...|25006|25P03|25P04|28...|3D000|3F000|42P01|42703|53...|55P03|57...|58...)$/.test(
      codeOf(error),
    ) ||
    /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)$/.test(
      codeOf(error),
    ) ||
    // node-postgres gives these no code.
    (error instanceof Error &&
      /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|^Query read timeout$/.test(
        error.message,
      ))
  )
}

/**
 * Whether the error, transient or not for others, will meet whoever sends the same statement again: it names what is
 * not there, or takes longer than a statement may (or somebody cancelled it).
 */
export function isOfTheStatement(error: unknown): boolean {
  return /^(42P01|42703|57014)$/.test(codeOf(error))
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
}
