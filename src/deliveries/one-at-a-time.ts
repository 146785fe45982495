/** A gate that lets one in at a time, for a whole process. */
export type Gate = {
  /** `wake` is called whenever the gate is free again. */
  join(wake: () => void): void
  isFree(): boolean
  /** Answers what to call to leave. Only while it is free. */
  enter(): () => void
}

export function oneAtATime(): Gate {
  const waiting = new Set<() => void>()
  let isTaken = false
  return {
    join: (wake) => void waiting.add(wake),
    isFree: () => !isTaken,
    enter() {
      if (isTaken) throw new Error('Two at a time.')
      isTaken = true
      return () => {
        isTaken = false
        for (const wake of waiting) wake()
      }
    },
  }
}
