/** Runs work `maxAtOnce` at a time; the rest waits for its turn, or is refused at once when too much waits. */
export function takeTurns({ maxAtOnce, queue, failTogether = false }: Turns) {
  const waiting: PromiseWithResolvers<void>[] = []
  let running = 0

  return async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= maxAtOnce) await turn()
    else running += 1
    try {
      return await work()
    } catch (error) {
      if (failTogether) for (const { reject } of waiting.splice(0)) reject(error)
      throw error
    } finally {
      const [next] = waiting.splice(0, 1)
      // The place is handed on: taken back, somebody else could slip in between.
      if (next) next.resolve()
      else running -= 1
    }
  }

  async function turn(): Promise<void> {
    if (queue && waiting.length >= queue.most) throw queue.refuse()
    const mine = Promise.withResolvers<void>()
    waiting.push(mine)
    await mine.promise
  }
}

type Turns = {
  maxAtOnce: number
  /** How many may wait, and what those are told who may not. Default: all wait. */
  queue?: { most: number; refuse: () => Error }
  /** When some work fails, so does what waits behind it, with the same error: it would fail, too, only later. Default: it runs. */
  failTogether?: boolean
}
