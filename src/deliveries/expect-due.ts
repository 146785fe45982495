import type { TargetView } from './look-around.ts'

export type ExpectedDue = {
  /** Jobs may have become due. */
  wake(): void
  /** What a look around found. */
  observe(found: Pick<TargetView, 'dueNew' | 'dueRetry'>): void
  /** Whether a claim may find anything. */
  mayBeMore(): boolean
  /** The same for one of the lanes: all but the first leave retries to it. */
  mayBeMoreFor(lane: number): boolean
  retriesDue(): boolean
  /** A claim begins. */
  claim(lane: number): ClaimUnderWay
}

export type ClaimUnderWay = {
  /** Retries are another lane's. */
  firstOnly: boolean
  /** `left`: there may be more than was claimed. */
  ended(found: { left: boolean; noRetryLeft: boolean }): void
}

/** What a pump knows of its target's due jobs without asking for them. */
export function expectDue(): ExpectedDue {
  // Counted: a claim that found little says nothing about what has come since it began.
  let wakes = 1
  let emptied = 0
  // As above, for first attempts alone.
  let emptiedOfFirst = 0
  let retriesDue = true

  return {
    wake() {
      wakes += 1
    },
    observe({ dueNew, dueRetry }) {
      retriesDue = dueRetry
      if (dueNew || dueRetry) wakes += 1
    },
    mayBeMore: () => wakes > emptied,
    mayBeMoreFor: (lane) =>
      wakes > emptied && (lane === 0 || !retriesDue || wakes > emptiedOfFirst),
    retriesDue: () => retriesDue,
    claim(lane) {
      const seen = wakes
      const firstOnly = lane > 0 && retriesDue
      return {
        firstOnly,
        ended({ left, noRetryLeft }) {
          // Looking for them among a million that are due later takes a while: not again before the next look.
          if (noRetryLeft) retriesDue = false
          if (!left && firstOnly) emptiedOfFirst = Math.max(emptiedOfFirst, seen)
          else if (!left) emptied = Math.max(emptied, seen)
        },
      }
    },
  }
}
