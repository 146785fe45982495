/**
 * Whether the error says that the server could not be reached or went away, rather than that the
 * statement was wrong. After it, whether a commit happened is unknown.
 */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return (
    // Class 08: connection exception; 57P01-57P03: shut down, crashed, starting up; 53300: too many connections.
    /^(08...|57P0[1-5]|53300)$/.test(code) ||
    /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENOENT)$/.test(code) ||
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool after/.test(
      error.message,
    )
  )
}
