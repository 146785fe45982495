/** Mistakes a person can mend: the message says what was tried and what to do next. Printed without a stack. */
export class OrderwheelError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OrderwheelError'
    this.code = code
  }
}

export type ErrorCode =
  | 'usage' // the command line is wrong: exit code 2
  | 'config' // the configuration file or the environment is wrong
  | 'database' // the database cannot be reached, is too old, or is not migrated
  | 'port-taken'
  | 'already-running'
  | 'name-taken'
  | 'not-found'
