export type ShortCalls = {
  /** A call ended that took so long. */
  ended(durationMs: number): void
  /** How many short ones ended in a tenth of a second, of late. */
  inATenth(): number
}

const tenthMs = 100
// Longer ones are not worth claiming ahead for: a slot is free for a small part of their time.
const shortMs = 250

/** Counts short calls as they end: what is called at this speed can be claimed a tenth of a second ahead. */
export function countShortCalls(): ShortCalls {
  let since = performance.now()
  let current = 0
  let previous = 0

  function turn() {
    const age = performance.now() - since
    if (age < tenthMs) return
    previous = age < 2 * tenthMs ? current : 0
    current = 0
    since += age - (age % tenthMs)
  }

  return {
    ended(durationMs) {
      turn()
      if (durationMs <= shortMs) current += 1
    },
    inATenth() {
      turn()
      return Math.max(previous, current)
    },
  }
}
