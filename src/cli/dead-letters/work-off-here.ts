import { setTimeout } from 'node:timers/promises'

import type { Context } from '#cli/command.ts'
import { readReplay, type ReplayReport } from '#dead-letters/read-replays.ts'
import { type ReplayDeps, replayPass } from '#dead-letters/replay-pass.ts'
import { secondsUntilDue } from '#dead-letters/take-replay.ts'

// Five at a time for a list of 20 a second.
const leastWaitMs = 250
const mostWaitMs = 2_000
const progressMs = 2_000

/**
 * Works a replay off beside the workers, saying how far it has come, until it has ended or is paused. Ctrl-C leaves
 * it to them. Answers what it came to.
 */
export async function workOffHere(
  deps: ReplayDeps,
  id: string,
  warn: Context['warn'],
): Promise<{ report: ReplayReport; interrupted: boolean }> {
  const stop = listenForStop()
  let saidAt = performance.now()
  try {
    for (;;) {
      const report = await readReplay(deps.db, id)
      if (!report) throw new Error(`Replay ${id} is gone.`)
      if (report.state !== 'running' || stop.signal.aborted)
        return { report, interrupted: report.state === 'running' }
      if (performance.now() - saidAt > progressMs) {
        saidAt = performance.now()
        warn(describeProgress(report))
      }
      const pass = await replayPass(deps, { only: id })
      if (!pass?.mayBeMore) await rest(await secondsUntilDue(deps.db, id), stop.signal)
    }
  } finally {
    stop.forget()
  }
}

/** `120 of 412 replayed, 3 refused; about 15 s to go`. */
function describeProgress({ action, done, refused, total, left, ratePerSecond }: ReplayReport) {
  const what = action === 'replay' ? 'replayed' : 'discarded'
  const seconds = Math.ceil(left / ratePerSecond)
  return `${done} of ${total} ${what}${refused === 0 ? '' : `, ${refused} refused`}; at least ${seconds} s to go`
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The second time, the signal does what it usually does. */
function listenForStop(): { signal: AbortSignal; forget: () => void } {
  const stop = new AbortController()
  const forget = () => signals.forEach((name) => process.off(name, onSignal))
  const onSignal = () => {
    stop.abort()
    forget()
  }
  for (const name of signals) process.on(name, onSignal)
  return { signal: stop.signal, forget }
}

/** Null: it does not run any more, which is to be said at once. */
async function rest(seconds: number | null, signal: AbortSignal): Promise<void> {
  if (seconds === null) return
  const ms = Math.min(Math.max(seconds * 1_000, leastWaitMs), mostWaitMs)
  // An aborted wait is over, too.
  await setTimeout(ms, undefined, { signal }).catch(() => {})
}
