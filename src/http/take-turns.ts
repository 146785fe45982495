/**
 * Runs work `maxAtOnce` at a time; `maxWaiting` more wait for their turn, and what comes on top of those is
 * refused at once. When some work fails, so does what waits behind it, with the same error: it would fail, too,
 * only later.
 */
export function takeTurns({ maxAtOnce, maxWaiting, refuse }: Turns) {
  const waiting: PromiseWithResolvers<void>[] = []
  let running = 0

  return async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= maxAtOnce) await turn()
    else running += 1
    try {
      return await work()
    } catch (error) {
      for (const { reject } of waiting.splice(0)) reject(error)
      throw error
    } finally {
      const [next] = waiting.splice(0, 1)
      // The place is handed on: taken back, somebody else could slip in between.
      if (next) next.resolve()
      else running -= 1
    }
  }

  async function turn(): Promise<void> {
    if (waiting.length >= maxWaiting) throw refuse()
    const mine = Promise.withResolvers<void>()
    waiting.push(mine)
    await mine.promise
  }
}

type Turns = {
  maxAtOnce: number
  maxWaiting: number
  /** What those are told who may not even wait. */
  refuse: () => Error
}
