import { delivered, type Outcome } from '#targets/outcome.ts'

/** Calls to a target that end when the test says so, and how many there were at a time. */
export function heldCalls() {
  const held = new Set<(outcome: Outcome) => void>()
  let most = 0
  let begun = 0
  return {
    call: () =>
      new Promise<Outcome>((resolve) => {
        held.add(resolve)
        begun += 1
        most = Math.max(most, held.size)
      }),
    inFlight: () => held.size,
    begun: () => begun,
    /** At a time, since this was asked last. */
    most() {
      const answer = most
      most = held.size
      return answer
    },
    /** Ends so many calls, oldest first; all when left out. */
    end(count = held.size, outcome: Outcome = delivered()) {
      for (const resolve of [...held].slice(0, count)) {
        held.delete(resolve)
        resolve(outcome)
      }
    },
  }
}

export type HeldCalls = ReturnType<typeof heldCalls>
