import type { Db } from '#database/open-database.ts'

import { nextOrders, ordersAtATime, type OrderFilter } from './next-orders.ts'
import { type OrderSummary, summarizeOrders } from './summarize-orders.ts'
import type { OrderState } from './order-state.ts'

export type OrderPage = {
  orders: OrderSummary[]
  /** Where the next page begins; null: this is the last. A page that looked long may be short, or empty, and have one. */
  next: string | null
}

export type OrderSearch = OrderFilter & {
  state?: OrderState
  /** 1 … 500. */
  limit: number
  /** A page's `next`. */
  after?: string
}

/**
 * A page of orders, the newest first. Takes a second at most, whatever is asked for: with an address or a state it
 * looks at some thousand orders, and says where to go on.
 */
export async function listOrders(db: Db, search: OrderSearch): Promise<OrderPage> {
  const { state, limit, after = null, ...filter } = search
  const unfinished =
    state !== undefined && unfinishedStates.includes(state) && filter.order === undefined
  const found: OrderSummary[] = []
  let below = after
  let looked = 0
  do {
    const step = await nextOrders(db, {
      filter,
      unfinished,
      below,
      limit: state === undefined ? limit + 1 : summariesAtATime,
    })
    const summaries = await summarizeOrders(db, step.ids)
    found.push(...summaries.filter((one) => state === undefined || one.state === state))
    looked += step.looked
    below = step.goOn
  } while (found.length <= limit && below !== null && looked < ordersAtATime)
  const orders = found.slice(0, limit)
  return { orders, next: found.length > limit ? (orders.at(-1)?.id ?? null) : below }
}

// What is not in one of these is done with, and is not among what a verification looks at again.
const unfinishedStates: readonly OrderState[] = ['received', 'processing', 'needs-attention']

// Some hundredths of a second's worth.
const summariesAtATime = 500
