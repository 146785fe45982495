import type pg from 'pg'

import { isDatabaseUnavailable } from '#database/transient-error.ts'

import { findConflicts, type Conflict } from './find-conflicts.ts'
import { insertOrders, type NewOrder } from './insert-orders.ts'
import { createLoneWriter, isLockTimeout, type Waiting } from './write-alone.ts'

export type Placed =
  | { kind: 'placed'; id: string }
  | Conflict
  /** Somebody else is writing an order of this external id or key, and takes long: nothing was stored. */
  | { kind: 'in-progress' }
  /** More orders wait to be written than memory is given for: nothing was stored. */
  | { kind: 'overloaded' }

export type OrderWriter = {
  /**
   * Writes the order and its `order.placed` message, or says why not. Rejects when the database cannot
   * be reached (see `isDatabaseUnavailable`): whether the order is stored is then unknown, and repeating
   * the request with the same key is safe.
   */
  place: (order: NewOrder) => Promise<Placed>
  /** Takes no further orders; resolves when those that wait are written. May be called twice. */
  close: () => Promise<void>
}

export type OrderWriterOptions = {
  pool: pg.Pool
  /** Called after each commit that wrote orders; must not throw. */
  outboxChanged: () => void
  /** Statements at a time. Default 2: one commits while the next is being sent. */
  maxInFlight?: number
  /** Orders in one statement. Default 200. */
  maxBatch?: number
  /** Orders that may wait. Default 10 000. */
  maxWaiting?: number
  /** Their documents, in characters. Default 64 million. */
  maxWaitingCharacters?: number
  /** A server that does not answer for this long is treated as gone. Default 10 000. */
  answerWithinMilliseconds?: number
}

// Keeps one statement's parameter, and what one failure makes us repeat, small.
const maxBatchCharacters = 4_000_000

/**
 * Group commit: orders that arrive while statements are under way share the next one. An order that
 * finds the writer idle goes at once.
 */
export function createOrderWriter(options: OrderWriterOptions): OrderWriter {
  const { pool, outboxChanged, maxInFlight = 2, maxBatch = 200 } = options
  const { maxWaiting = 10_000, maxWaitingCharacters = 64_000_000 } = options
  const { answerWithinMilliseconds = 10_000 } = options
  const waiting: Waiting[] = []
  let waitingCharacters = 0
  let inFlight = 0
  let closing: PromiseWithResolvers<void> | undefined
  const alone = createLoneWriter({ write, onIdle: startBatches })

  function place(order: NewOrder): Promise<Placed> {
    if (closing) return Promise.resolve({ kind: 'overloaded' })
    if (waiting.length >= maxWaiting || waitingCharacters > maxWaitingCharacters) {
      return Promise.resolve({ kind: 'overloaded' })
    }
    const { promise, resolve, reject } = Promise.withResolvers<Placed>()
    const one = { order, resolve, reject, again: false }
    if (alone.takes(order)) alone.add([one])
    else enqueue(one)
    return promise
  }

  function enqueue(one: Waiting) {
    waiting.push(one)
    waitingCharacters += one.order.document.length
    startBatches()
  }

  function startBatches() {
    while (inFlight < maxInFlight && waiting.length > 0) void writeBatch(nextBatch())
    if (closing && inFlight === 0 && alone.isIdle()) closing.resolve()
  }

  function nextBatch(): Waiting[] {
    let size = 0
    let characters = 0
    for (const { order } of waiting) {
      if (
        size === maxBatch ||
        (size > 0 && characters + order.document.length > maxBatchCharacters)
      )
        break
      size += 1
      characters += order.document.length
    }
    waitingCharacters -= characters
    return waiting.splice(0, size)
  }

  async function writeBatch(batch: Waiting[]) {
    inFlight += 1
    try {
      await write(batch)
    } catch (error) {
      // One row the database refuses or keeps waiting must not harm the others: each gets a statement of its own.
      const oneMayBeWhy = batch.length > 1 && !isDatabaseUnavailable(error)
      if (oneMayBeWhy || isLockTimeout(error)) alone.add(batch)
      else for (const { reject } of batch) reject(error)
    } finally {
      inFlight -= 1
      startBatches()
    }
  }

  async function write(batch: Waiting[]) {
    const ids = await insertOrders(
      pool,
      batch.map(({ order }) => order),
      answerWithinMilliseconds,
    )
    const leftOut: Waiting[] = []
    for (const [index, one] of batch.entries()) {
      const id = ids[index]
      if (id === undefined) leftOut.push(one)
      else one.resolve({ kind: 'placed', id })
    }
    if (leftOut.length < batch.length) outboxChanged()
    if (leftOut.length > 0) await explain(leftOut)
  }

  async function explain(leftOut: Waiting[]) {
    const conflicts = await findConflicts(
      pool,
      leftOut.map(({ order }) => order),
    )
    for (const [index, one] of leftOut.entries()) {
      const conflict = conflicts[index]
      if (conflict) one.resolve(conflict)
      // What was in its way was deleted in between: once more, from the back of the line.
      else if (!one.again) enqueue({ ...one, again: true })
      else one.reject(new Error('the database took neither the order nor holds one like it'))
    }
  }

  function close(): Promise<void> {
    closing ??= Promise.withResolvers<void>()
    startBatches()
    return closing.promise
  }

  return { place, close }
}
