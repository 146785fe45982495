import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

import type { Settlement } from './decide-settlement.ts'

/**
 * Enters in the audit chain what a target was told. Last of all that a transaction does: it locks the chain's end, after
 * which nothing may be locked, so that who waits for it is never waited for.
 */
export async function enterTold(
  tx: Tx,
  target: string,
  settlements: readonly Settlement[],
): Promise<void> {
  const told = settlements.filter(({ enter }) => enter).map(({ delivery }) => delivery)
  if (told.length === 0) return
  const messageIds = told.map(({ messageId }) => messageId)
  const orderIds = told.map(({ orderId }) => orderId)
  await sql`select orderwheel.chain_told(${target}, ${messageIds}::uuid[], ${orderIds}::uuid[])`.execute(
    tx,
  )
}
