import { shortDuration } from '#cli/format-duration.ts'
import { shortTime } from '#cli/format-time.ts'
import type { Pause } from '#limits/lock-pause.ts'
import type { CircuitReport } from '#limits/read-limits.ts'

/** `closed`; `open 3m, probe in 12s`; `ramping 8s`. `now` is the database's time. */
export function describeCircuit({ state, since, probeAt }: CircuitReport, now: Date): string {
  if (state === 'closed') return state
  const words = `${state} ${shortDuration(secondsBetween(since, now))}`
  if (probeAt === null) return words
  const left = secondsBetween(now, probeAt)
  return `${words}, ${left > 0 ? `probe in ${shortDuration(left)}` : 'probe is due'}`
}

/** `paused by eva until 14:00Z`; `-` when it is not paused. */
export function describePause(paused: Pick<Pause, 'by' | 'until'> | null, now: Date): string {
  if (!paused) return '-'
  const until = paused.until ? ` until ${shortTime(paused.until, now)}` : ''
  return `paused by ${paused.by}${until}`
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1_000
}
