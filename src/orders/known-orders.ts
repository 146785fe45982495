import type pg from 'pg'

import { findConflicts } from './find-conflicts.ts'
import type { NewOrder } from './insert-orders.ts'

type Asked = {
  order: NewOrder
  resolve: (isKnown: boolean) => void
  reject: (error: unknown) => void
}

const atATime = 200
// Whoever comes when so many wait is answered as if nothing was known: that is for a moment when nothing new is taken.
const mostWaiting = 2_000

/** Says whether an order's key or external id is known already; those that ask meanwhile share the next look. */
export function createKnownOrders(pool: pg.Pool): (order: NewOrder) => Promise<boolean> {
  const waiting: Asked[] = []
  let isLooking = false

  async function look() {
    isLooking = true
    while (waiting.length > 0) await answer(waiting.splice(0, atATime))
    isLooking = false
  }

  async function answer(asked: readonly Asked[]) {
    try {
      const conflicts = await findConflicts(
        pool,
        asked.map(({ order }) => order),
      )
      for (const [index, { resolve }] of asked.entries()) resolve(conflicts[index] !== undefined)
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }

  return (order) => {
    if (waiting.length >= mostWaiting) return Promise.resolve(false)
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    waiting.push({ order, resolve, reject })
    if (!isLooking) void look()
    return promise
  }
}
