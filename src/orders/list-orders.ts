import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { nextOrders, type OrderFilter } from './next-orders.ts'
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
 * A page of orders, the newest first. Takes a second or two at most, whatever is asked for: with an address or a state it
 * looks at some thousand orders, and says where to go on.
 */
export async function listOrders(db: Db, search: OrderSearch): Promise<OrderPage> {
  const { state, limit, after = null, ...filter } = search
  const watermark =
    isUnfinished(state) && filter.order === undefined ? await readWatermark(db) : null
  const found: OrderSummary[] = []
  let below = after
  let looked = 0
  do {
    const step = await nextOrders(db, {
      filter,
      watermark,
      needsPerson: state === 'needs-attention',
      below,
      limit: state === undefined ? limit + 1 : summariesAtATime,
    })
    const summaries = await summarizeOrders(db, step.ids)
    found.push(...summaries.filter((one) => state === undefined || one.state === state))
    looked += step.looked
    below = step.goOn
  } while (found.length <= limit && below !== null && looked < mostLookedAt(state))
  const orders = found.slice(0, limit)
  return { orders, next: found.length > limit ? (orders.at(-1)?.id ?? null) : below }
}

// What is not in one of these is done with, and is not among what a verification looks at again.
function isUnfinished(state: OrderState | undefined): boolean {
  return state === 'received' || state === 'processing' || state === 'needs-attention'
}

/** Null: nothing was ever verified. As a value, not a subquery: so PostgreSQL knows how few rows are beyond it. */
async function readWatermark(db: Db): Promise<string | null> {
  const { rows } = await sql<{ watermark: string | null }>`
    select watermark from orderwheel.verify_state`.execute(db)
  return rows[0]?.watermark ?? null
}

// Some hundredths of a second's worth, and half a second's. Those that need a person are told apart before they are read.
const summariesAtATime = 500
const mostLookedAt = (state: OrderState | undefined) =>
  state === 'needs-attention' ? 20_000 : 5_000
