import { pino } from 'pino'

import { createLog, type Log } from '#base/log.ts'
import { printable } from '#base/printable.ts'

export type LogOf = (part: string) => Log

/**
 * Logs a person reads while trying things out: warnings, and a line for each delivery. LOG_LEVEL says
 * otherwise. Without pino-pretty (production dependencies only) they are JSON.
 */
export async function createDevLogs(level: string | undefined): Promise<LogOf> {
  const levelOf = (part: string) => level ?? (part === 'worker' ? 'info' : 'warn')
  const pretty = await import('pino-pretty').catch(() => undefined)
  if (!pretty) return (part) => createLog(part, levelOf(part))
  const stream = pretty.default({
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
    hideObject: true,
    messageFormat: (line, messageKey) => describe(line, String(line[messageKey])),
    sync: true,
  })
  const logs = new Map<string, Log>()
  return (part) => {
    const known = logs.get(part)
    if (known) return known
    const log = pino({ level: levelOf(part), base: { process: part } }, stream)
    logs.set(part, log)
    return log
  }
}

function describe(line: Record<string, unknown>, message: string): string {
  const { process, target, attempt, durationMs, reason, err, orderId } = line
  const cause = reason ?? (err instanceof Object && 'message' in err ? err.message : undefined)
  return [
    typeof process === 'string' ? `${process}:` : '',
    typeof target === 'string' ? target : '',
    message,
    typeof attempt === 'number' ? `at attempt ${attempt}` : '',
    typeof durationMs === 'number' ? `after ${(durationMs / 1_000).toFixed(1)} s` : '',
    typeof cause === 'string' ? `(${printable(cause)})` : '',
    typeof orderId === 'string' ? `order ${orderId}` : '',
  ]
    .filter(Boolean)
    .join(' ')
}
