import { usageError } from '#cli/command.ts'
import { replayRates } from '#dead-letters/request-replay.ts'

const { least, usual, most } = replayRates

/** Dead letters a second; the usual rate when none is given. Throws `usage`. */
export function readReplayRate(command: string, text: string | undefined): number {
  if (text === undefined) return usual
  const rate = /^\d{1,5}(\.\d{1,4})?$/.test(text) ? Number(text) : 0
  if (rate >= least && rate <= most) return rate
  throw usageError(
    command,
    `--rate is "${text}": write a number from ${least} to ${most}, a second`,
  )
}
