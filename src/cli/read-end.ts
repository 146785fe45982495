import type { PauseRequest } from '#limits/pause-target.ts'

import { usageError } from './command.ts'

/** When something is to end: `--for 30m`, `--until 2026-11-22T14:00Z`, or neither. Throws `usage`. */
export function readEnd(
  command: string,
  given: { for: string | undefined; until: string | undefined },
): PauseRequest['end'] {
  if (given.for !== undefined && given.until !== undefined)
    throw usageError(command, 'it takes --for or --until, not both')
  if (given.for !== undefined) return { afterSeconds: readDuration(command, given.for) }
  return given.until === undefined ? null : { at: readTime(command, given.until) }
}

function readDuration(command: string, text: string): number {
  const seconds = durationSeconds(text)
  if (seconds !== undefined) return seconds
  throw usageError(
    command,
    `--for is "${text}": write a number with s, m, h or d, at most 365d, for example 30m`,
  )
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
const longestSeconds = 365 * 86_400

/** The seconds of `90s`, `30m`, `2h`, `1d`; undefined when it is no duration of 1 s to 365 days. */
export function durationSeconds(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const seconds = Number(number) * (secondsOf[unit] ?? 0)
  return seconds >= 1 && seconds <= longestSeconds ? seconds : undefined
}

function readTime(command: string, text: string): Date {
  const at = isoTime(text)
  if (at) return at
  throw usageError(
    command,
    `--until is "${text}": write a time with its zone, for example 2026-11-22T14:00:00Z`,
  )
}

// Without its zone a time means something else on the server than on the operator's own machine.
const iso = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/

/** The time of `2026-11-22T14:00:00Z`; undefined when it is none, or has no zone. */
export function isoTime(text: string): Date | undefined {
  const at = new Date(iso.test(text) ? text.replace(' ', 'T') : NaN)
  return Number.isNaN(at.getTime()) ? undefined : at
}
