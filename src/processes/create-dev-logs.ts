import { pino } from 'pino'

import { createLog, type Log } from '#base/log.ts'

import { describeLogLine } from './describe-log-line.ts'

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
    messageFormat: (line, messageKey) => describeLogLine(line, String(line[messageKey])),
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
