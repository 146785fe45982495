import { usageError } from '#cli/command.ts'

/** What divides the latencies of the simulated targets, for commands that take `--speed`. */
export function readSpeed(command: string, text = '1'): number {
  const speed = Number(text)
  if (speed > 0 && speed < Infinity) return speed
  throw usageError(command, `--speed is "${text}": write a number above 0, for example 10`)
}
