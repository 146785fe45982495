/** The calls of a process: any number beside each other, or one alone. */
export type Gate = {
  /** `wake` is called whenever calls may begin again, and when the next one may ask to be alone. */
  join(wake: () => void): void
  /** Whether calls may begin beside others. */
  isOpen(): boolean
  /** Makes a call beside others. Only while it is open. */
  beside<T>(call: () => Promise<T>): Promise<T>
  /** Whether somebody may enter who is to be alone: nobody is, and the others have had their time since. */
  isFree(): boolean
  /** Only while it is free. Calls go on beside it until `untilAlone`. */
  enter(): Stay
  /** For how long one who is to be alone waits for the calls under way, at the moment. */
  patienceMs(): number
}

export type Stay = {
  /** No call begins from now on. False: those under way take too long, and others begin again. */
  untilAlone(): Promise<boolean>
  leave(): void
}

// Longer than most calls. Where it is not, the next one waits for twice as long.
const leastPatienceMs = 1_000

export function besideOrAlone(leastMs = leastPatienceMs): Gate {
  const waiting = new Set<() => void>()
  let underWay = 0
  let isTaken = false
  let isResting = false
  let closedAt: number | undefined
  let patienceMs = leastMs
  let noneUnderWay = () => {}
  const wakeAll = () => waiting.forEach((wake) => wake())

  async function untilAlone(): Promise<boolean> {
    const since = performance.now()
    closedAt = since
    const isAlone = underWay === 0 || (await waitForCalls())
    patienceMs = Math.max(leastMs, 2 * (performance.now() - since))
    if (!isAlone) open()
    return isAlone
  }

  function waitForCalls(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => resolve(false), patienceMs)
    noneUnderWay = () => {
      clearTimeout(timer)
      resolve(true)
    }
    return promise
  }

  // The others get as much time as they stood still for: half of it all, however many want to be alone.
  function open() {
    if (closedAt === undefined) return
    const rest = setTimeout(() => {
      isResting = false
      wakeAll()
    }, performance.now() - closedAt)
    rest.unref()
    isResting = true
    closedAt = undefined
    wakeAll()
  }

  return {
    join: (wake) => void waiting.add(wake),
    isOpen: () => closedAt === undefined,
    async beside(call) {
      underWay += 1
      try {
        return await call()
      } finally {
        underWay -= 1
        if (underWay === 0) noneUnderWay()
      }
    },
    isFree: () => !isTaken && !isResting,
    enter() {
      if (isTaken) throw new Error('Two at a time.')
      isTaken = true
      return {
        untilAlone,
        leave() {
          isTaken = false
          if (closedAt === undefined) wakeAll()
          else open()
        },
      }
    },
    patienceMs: () => patienceMs,
  }
}
