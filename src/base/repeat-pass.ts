export type Repetition = {
  /** Does not wait for the next time; a pass under way is followed by another one. */
  runNow: () => void
  /** No further pass begins; resolves when the one under way has ended. */
  stop(): Promise<void>
}

/** Repeats one pass, never two at once. One that fails is told to `onError`, and the next one tries again. */
export function repeatPass(
  pass: () => Promise<unknown>,
  { everyMs, onError }: { everyMs: number; onError: (error: unknown) => void },
): Repetition {
  let underWay: Promise<void> | undefined
  let again = false
  let stopped = false
  async function run() {
    do {
      again = false
      try {
        await pass()
      } catch (error) {
        onError(error)
      }
    } while (again && !stopped)
    underWay = undefined
  }
  const timer = setInterval(() => {
    underWay ??= run()
  }, everyMs)
  return {
    runNow() {
      again = underWay !== undefined
      if (!stopped) underWay ??= run()
    },
    async stop() {
      stopped = true
      clearInterval(timer)
      await underWay
    },
  }
}
