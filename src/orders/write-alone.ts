import { isDatabaseUnavailable } from '#database/transient-error.ts'

import type { NewOrder } from './insert-orders.ts'
import type { Placed } from './place-order.ts'

/** An order whose sender waits for the answer. */
export type Waiting = {
  order: NewOrder
  /** Whether it was tried, left out, and nothing was found in its way. */
  again: boolean
  resolve: (placed: Placed) => void
  reject: (error: unknown) => void
}

// One may wait for a lock while the other writes; two more connections of a pool of ten.
const maxInFlight = 2

// Five full batches.
const maxWaiting = 1_000

// Enough for the orders that others hold at one time; forgetting one costs its next batch a wait.
const maxRemembered = 1_000

/**
 * Writes orders one by one, beside the shared statements: those of a batch in which the database refused
 * one, or one had to wait too long for somebody else's uncommitted order. That one is answered
 * `in-progress`, and from then on its repeats come here at once, so that they stop no further batch.
 * `write` settles the order itself, or throws.
 */
export function createLoneWriter({ write, onIdle }: LoneWriterOptions) {
  const waiting: Waiting[] = []
  const remembered = new Set<string>()
  let inFlight = 0

  function takes({ externalId }: NewOrder): boolean {
    return remembered.has(externalId)
  }

  function add(orders: readonly Waiting[]) {
    for (const one of orders) {
      if (waiting.length < maxWaiting) waiting.push(one)
      else one.resolve({ kind: 'overloaded' })
    }
    start()
  }

  function start() {
    while (inFlight < maxInFlight && waiting.length > 0) void writeNext()
    if (inFlight === 0) onIdle()
  }

  async function writeNext() {
    const [one] = waiting.splice(0, 1)
    if (!one) return
    inFlight += 1
    try {
      await write([one])
      remembered.delete(one.order.externalId)
    } catch (error) {
      // First: to the rest of the program a lock timeout is a database that is unavailable.
      if (isLockTimeout(error)) giveUp(one)
      else if (isDatabaseUnavailable(error))
        for (const { reject } of [one, ...waiting.splice(0)]) reject(error)
      else one.reject(error)
    } finally {
      inFlight -= 1
      start()
    }
  }

  /** Its repeats that wait here would only wait for the same end. */
  function giveUp({ order: { externalId }, resolve }: Waiting) {
    remember(externalId)
    resolve({ kind: 'in-progress' })
    const repeats = waiting.filter(({ order }) => order.externalId === externalId)
    const others = waiting.filter(({ order }) => order.externalId !== externalId)
    waiting.splice(0, waiting.length, ...others)
    for (const repeat of repeats) repeat.resolve({ kind: 'in-progress' })
  }

  // A Set keeps the order of insertion.
  function remember(externalId: string) {
    remembered.delete(externalId)
    const [oldest] = remembered.size < maxRemembered ? [] : remembered
    if (oldest !== undefined) remembered.delete(oldest)
    remembered.add(externalId)
  }

  return { takes, add, isIdle: () => inFlight === 0 && waiting.length === 0 }
}

type LoneWriterOptions = {
  write: (batch: Waiting[]) => Promise<void>
  /** Called whenever nothing is being written here. */
  onIdle: () => void
}

/** Whether the statement gave up waiting for a lock (see insert-orders.ts): nothing was stored. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03'
}
