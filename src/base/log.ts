import pino, { type DestinationStream, type Logger } from 'pino'

export type Log = Logger

/**
 * JSON lines on standard output, or to `destination`; the names used are in docs/logs.md. No payloads, no
 * personal data.
 */
export function createLog(process: string, level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
  }
  return pino(options, destination ?? pino.destination(buffered))
}

// A line for each delivery is thousands of writes a second otherwise, an eighth of a busy worker's time. What
// is in the buffer is written when the process ends, unless it is killed.
const buffered = { dest: 1, sync: false, minLength: 16_000, periodicFlush: 100 }

type LoggedError = {
  type: string
  message: string
  stack?: string
  code?: string
  cause?: LoggedError
}

/** A cause of a cause of a cause explains nothing any more, and a circle of causes would never end. */
const maxCauses = 3

/**
 * What of an error may be logged. Not its other members: PostgreSQL's `detail` and `where` quote the whole
 * row that was refused, an order with the buyer's name and address.
 */
function describeError(error: unknown, causes = maxCauses): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: messageOf(error) }
  return {
    type: error.constructor.name,
    message: error.message,
    ...(error.stack !== undefined && { stack: error.stack }),
    ...('code' in error && { code: String(error.code) }),
    ...(error.cause !== undefined &&
      causes > 0 && { cause: describeError(error.cause, causes - 1) }),
  }
}

/** pg-boss tells of some errors as plain objects with the error's message. */
function messageOf(thrown: unknown): string {
  const told = typeof thrown === 'object' && thrown !== null && 'message' in thrown
  return String(told ? thrown.message : thrown)
}
