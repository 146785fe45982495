/**
 * Whether the error says that the server could not be reached or went away, rather than that the
 * statement was wrong. After it, whether a commit happened is unknown.
 */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (
    // Class 08: connection exception; 57P01-57P05: shut down, crashed, starting up, dropped, idle.
    /^(08...|57P0[1-5])$/.test(codeOf(error)) ||
    /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)$/.test(
      codeOf(error),
    ) ||
    // node-postgres gives these no code.
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
      error.message,
    )
  )
}

/** Whether the same statement may well succeed in a moment: nothing is wrong with what was asked. */
export function isTransient(error: unknown): boolean {
  if (isConnectionLost(error)) return true
  // Class 40: deadlock, serialization; class 53: out of disk, memory, connections; 55P03: lock timeout;
  // 57014: statement timeout or cancelled; 25006: a server that is still read-only after a failover.
  return error instanceof Error && /^(40...|53...|55P03|57014|25006)$/.test(codeOf(error))
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
