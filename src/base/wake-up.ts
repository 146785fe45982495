/** A bell that one loop waits for and anybody may ring. A ring while nobody waits is kept for the next wait. */
export type WakeUp = {
  ring: () => void
  /** Resolves at the next ring, or after `seconds`; says whether it was rung. */
  wait(seconds?: number): Promise<boolean>
}

export function createWakeUp(): WakeUp {
  let rung = false
  let resume: (() => void) | undefined
  return {
    ring() {
      rung = true
      resume?.()
    },
    async wait(seconds) {
      if (!rung) {
        await new Promise<void>((resolve) => {
          resume = resolve
          if (seconds !== undefined) {
            const timer = setTimeout(resolve, seconds * 1_000)
            resume = () => {
              clearTimeout(timer)
              resolve()
            }
          }
        })
      }
      resume = undefined
      const wasRung = rung
      rung = false
      return wasRung
    },
  }
}
