import { userInfo } from 'node:os'

/** The person at the terminal, for the audit log. */
export function operator(): string {
  try {
    return userInfo().username
  } catch {
    // A container's user may have a number and no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
