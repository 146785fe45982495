import { usageError, type Option } from '#cli/command.ts'

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

/** Resolves so many seconds after it is called; keeps no process alive that has ended. */
export function waitForSeconds(seconds: number): () => Promise<void> {
  return () => new Promise((resolve) => setTimeout(resolve, seconds * 1_000).unref())
}
