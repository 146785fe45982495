import { setTimeout } from 'node:timers/promises'

import type { Db } from '#database/open-database.ts'

import { type Claim, keepClaim } from './claim-verification.ts'
import { takeStep } from './step.ts'
import type { Walk } from './walk.ts'

export type WalkOptions = {
  claim: Claim
  signal: AbortSignal
  /** Called after each step. */
  onStep?: (walk: Walk) => void
  /** Rests after each step for as long as it took: for what nobody waits for. */
  gently?: true
  /** Puts the walk down after so long. Default: never. */
  maxSeconds?: number
}

const keepClaimMs = 10_000

/** Goes on with a walk, to its end unless the time is over. Throws ClaimLost, and when `signal` aborts. */
export async function runWalk(db: Db, walk: Walk, options: WalkOptions): Promise<Walk> {
  const { claim, signal, onStep, gently, maxSeconds = Infinity } = options
  const begun = performance.now()
  let keptAt = begun
  let current = walk
  while (current.phase !== 'done') {
    signal.throwIfAborted()
    const stepped = performance.now()
    if (stepped - begun > maxSeconds * 1_000) break
    if (stepped - keptAt > keepClaimMs) {
      await keepClaim(db, claim)
      keptAt = stepped
    }
    current = await takeStep(db, current)
    onStep?.(current)
    if (gently) await setTimeout(performance.now() - stepped, undefined, { signal })
  }
  return current
}
