import type { Log } from '#base/log.ts'
import { createWakeUp } from '#base/wake-up.ts'

import { type ReplayDeps, replayPass } from './replay-pass.ts'
import { secondsUntilDue } from './take-replay.ts'

export type Replaying = {
  /** A replay was asked for or changed: look now. */
  wake(): void
  /** Resolves when no replay runs: paused ones are not waited for. */
  drained(signal: AbortSignal): Promise<void>
  /** Finishes the pass under way. */
  stop(): Promise<void>
}

// A list of 20 a second is worked off five at a time: few transactions, and nobody notices.
const leastWaitSeconds = 0.25
// The floor beneath lost notifications: while one runs, and while none does.
const mostWaitSeconds = { running: 2, idle: 15 }
const pauseAfterFailureSeconds = 1

/**
 * Works off replays for as long as it is not stopped, beside every other process that does: none is worked off twice,
 * and the rate is one for all of them.
 */
export function startReplaying(deps: ReplayDeps & { log: Log }): Replaying {
  const bell = createWakeUp()
  const stopping = new AbortController()
  const { signal } = stopping

  async function run() {
    while (!signal.aborted) {
      try {
        await bell.wait(await workUntilNothingIsDue(deps, signal))
      } catch (error) {
        deps.log.warn({ err: error }, 'replaying failed, trying again')
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  const running = run()
  return {
    wake: () => bell.ring(),
    async drained(until) {
      while (!until.aborted && (await secondsUntilDue(deps.db)) !== null) {
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    },
    async stop() {
      stopping.abort()
      bell.ring()
      await running
    },
  }
}

/** Answers the seconds after which to look again. */
async function workUntilNothingIsDue(deps: ReplayDeps, signal: AbortSignal): Promise<number> {
  for (;;) {
    const seconds = await secondsUntilDue(deps.db)
    if (seconds === null) return mostWaitSeconds.idle
    if (seconds > 0) return Math.min(Math.max(seconds, leastWaitSeconds), mostWaitSeconds.running)
    const pass = signal.aborted ? null : await replayPass(deps)
    // Nobody's: another process has it in its hands.
    if (!pass?.mayBeMore) return leastWaitSeconds
  }
}
