import { isConnectionLost } from '#database/transient-error.ts'

/**
 * Whether the error is the database's state (gone, full, read-only after a failover, not migrated, too
 * slow to answer) rather than what it was asked to store: the same request may succeed later.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (isConnectionLost(error)) return true
  if (!(error instanceof Error)) return false
  if (error.message === 'Query read timeout') return true
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // 25006 read-only, 28 refused login, 3D/3F/42P01/42703 not there or not migrated, 53 out of disk or
  // memory, 55P03 and 57 locked or cancelled by an administrator, 58 disk error.
  return /^(25006|28...|3D000|3F000|42P01|42703|53...|55P03|57...|58...)$/.test(code)
}
