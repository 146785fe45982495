export type Repetition = {
  /** No further pass begins; resolves when the one under way has ended. */
  stop(): Promise<void>
}

/** Repeats one pass, never two at once. One that fails is told to `onError`, and the next one tries again. */
export function repeatPass(
  pass: () => Promise<unknown>,
  { everyMs, onError }: { everyMs: number; onError: (error: unknown) => void },
): Repetition {
  let underWay: Promise<void> | undefined
  async function run() {
    try {
      await pass()
    } catch (error) {
      onError(error)
    }
    underWay = undefined
  }
  const timer = setInterval(() => {
    underWay ??= run()
  }, everyMs)
  return {
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}
