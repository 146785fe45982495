import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { PaymentState } from '#database/tables.ts'

export type KnownPayment = {
  state: PaymentState
  reason: string | null
  code: string | null
  /** The request that placed the order is at it. */
  isFirstUnderWay: boolean
}

/** Undefined: the order was not to be paid here. */
export async function readPayment(db: Db, orderId: string): Promise<KnownPayment | undefined> {
  const { rows } = await sql<KnownPayment>`
    select state, reason, code, coalesce(attempts = 1 and claimed_until > now(), false) as "isFirstUnderWay"
      from orderwheel.payments where order_id = ${orderId}`.execute(db)
  return rows[0]
}
