import type { Db } from '#database/open-database.ts'

import { beginForgetting, finishForgetting } from './forgetting-record.ts'
import { findOrders } from './find-orders.ts'
import { forgetOrder } from './forget-order.ts'
import { maskMentions, readTexts } from './mask-mentions.ts'
import type { Person } from './person.ts'
import { isRefused, readOpen, type RefusedOrder } from './read-open.ts'

export type ForgetRequest = {
  person: Person
  who: string
  /** At most 2 000 characters. */
  reason: string | null
  /** Also orders that have targets to tell: those are not told any more. */
  evenOpen: boolean
  /** Changes nothing. */
  dryRun: boolean
  /** Called now and then with how many orders were looked at. */
  progress?: (lookedAt: number) => void
}

export type Forgotten = {
  /** The row in orderwheel.forgettings; null: dry run. */
  id: string | null
  dryRun: boolean
  /** Orders whose personal data was removed, or would be. */
  orders: number
  /** Orders that were left alone, at most 1 000 of them. */
  refused: RefusedOrder[]
  refusedCount: number
  /** Rows of other tables in which the person was named; 0: dry run. */
  masked: number
}

// A list nobody reads to the end.
const refusedShown = 1_000

/**
 * Removes a person's data: from their orders, one transaction each, and from what people and targets said elsewhere.
 * Repeating it after a crash goes on with the same record. Orders that are placed while it runs may be missed.
 */
export async function forgetPerson(db: Db, request: ForgetRequest): Promise<Forgotten> {
  const id = request.dryRun ? null : await beginForgetting(db, request)
  const done: Forgotten = {
    id,
    dryRun: request.dryRun,
    orders: 0,
    refused: [],
    refusedCount: 0,
    masked: 0,
  }
  for await (const { ids, lookedAt } of findOrders(db, request.person)) {
    await deal(db, request, { done, ids })
    request.progress?.(lookedAt)
  }
  if (id === null) return done
  // While an order still says who it is, so may the rest.
  if (done.refusedCount === 0)
    done.masked += await maskMentions(db, await readTexts(db, request.person, []))
  const { orders } = await finishForgetting(db, { ...request, ...done, id })
  return { ...done, orders }
}

// First what others said of them, while the orders still say who it is: whatever happens, a repetition finds both.
async function deal(
  db: Db,
  { person, who, evenOpen }: ForgetRequest,
  { done, ids }: { done: Forgotten; ids: readonly string[] },
): Promise<void> {
  const free: string[] = []
  for (const orderId of ids) {
    const found = await readOpen(db, orderId)
    if (found && isRefused(found, evenOpen)) refuse(done, found)
    else free.push(orderId)
  }
  if (done.id === null) done.orders += free.length
  if (done.id === null || free.length === 0) return
  done.masked += await maskMentions(db, await readTexts(db, person, free))
  for (const orderId of free) {
    const refused = await forgetOrder(db, { orderId, forgettingId: done.id, who, evenOpen })
    if (refused) refuse(done, refused)
  }
}

function refuse(done: Forgotten, refused: RefusedOrder): void {
  done.refusedCount += 1
  if (done.refused.length < refusedShown) done.refused.push(refused)
}
