export type ShortCalls = {
  /** A call ended that took so long. */
  ended(durationMs: number): void
  /** How many short ones end in so many milliseconds, of late. */
  endIn(ms: number): number
}

const periodMs = 1_000
// Longer ones are not worth claiming ahead for: a slot is free for a small part of their time.
const shortMs = 250

/** Counts short calls as they end, to know how many will while the next deliveries are being claimed. */
export function countShortCalls(): ShortCalls {
  let since = performance.now()
  let current = 0
  let previous = 0

  function turn() {
    const age = performance.now() - since
    if (age < periodMs) return
    previous = age < 2 * periodMs ? current : 0
    current = 0
    since += age - (age % periodMs)
  }

  return {
    ended(durationMs) {
      turn()
      if (durationMs <= shortMs) current += 1
    },
    endIn(ms) {
      turn()
      return (Math.max(previous, current) * ms) / periodMs
    },
  }
}
