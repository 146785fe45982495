import pino, { type Logger } from 'pino'

export type Log = Logger

/** JSON lines on standard output; the names used are in docs/logs.md. No payloads, no personal data. */
export function createLog(process: string, level: string): Log {
  return pino({
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  })
}
