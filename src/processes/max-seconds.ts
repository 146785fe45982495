import { OrderwheelError } from '#base/errors.ts'
import { usageError, type Option } from '#cli/command.ts'

import type { Setting } from './setting.ts'

export const maxSecondsOption = {
  type: 'string',
  value: 'seconds',
  summary: 'Stops after so many seconds',
} as const satisfies Option

export function readMaxSeconds(command: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d+$/.test(text) ? Number(text) : 0
  if (seconds >= 1 && seconds <= 86_400) return seconds
  throw usageError(command, `--max-seconds is "${text}": write a whole number from 1 to 86400`)
}

/** Aborts so many seconds after it is called; never when there is no limit. */
export function deadlineAfter(seconds: number | undefined): AbortSignal {
  return seconds === undefined ? new AbortController().signal : AbortSignal.timeout(seconds * 1_000)
}

/** Does work that waits for the database, until `deadline` only. Throws `database` when it waited for nothing. */
export async function workUntil<T>(
  deadline: AbortSignal,
  setting: Setting,
  work: (setting: Setting) => Promise<T>,
): Promise<T> {
  const { run } = setting
  const signal = AbortSignal.any([run.signal, deadline])
  try {
    return await work({ ...setting, run: { ...run, signal } })
  } catch (error) {
    if (!deadline.aborted || run.signal.aborted) throw error
    throw new OrderwheelError(
      'database',
      'The time given with --max-seconds is over, and the database did not answer or was not ready: the log says what was wrong.',
      { cause: error },
    )
  }
}

/** Resolves so many seconds after it is called; keeps no process alive that has ended. */
export function waitForSeconds(seconds: number): () => Promise<void> {
  return () => new Promise((resolve) => setTimeout(resolve, seconds * 1_000).unref())
}
