import { printable } from '#base/printable.ts'

import { usageError, type Option } from './command.ts'

export const reasonOption = {
  type: 'string',
  value: 'text',
  summary: 'Why, for those who look later',
} as const satisfies Option

const most = 1_000

/** The reason as given, one line of it; null when there is none. Throws `usage` for one that cannot be kept. */
export function readReason(command: string, text: string | undefined): string | null {
  if (text === undefined) return null
  const reason = printable(text.replace(/\s+/g, ' ').trim())
  if (reason === '') throw usageError(command, '--reason is empty')
  if (reason.length > most)
    throw usageError(command, `--reason has ${reason.length} characters: at most ${most} are kept`)
  return reason
}

/** For what nobody should do without saying why. */
export function requireReason(command: string, text: string | undefined, example: string): string {
  const reason = readReason(command, text)
  if (reason !== null) return reason
  throw usageError(command, `it needs --reason, for example --reason "${example}"`)
}
