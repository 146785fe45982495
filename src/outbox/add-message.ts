import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

/**
 * `orderId` null: it is about none, which messages of the kinds `order.…` cannot be. `held`: it is not relayed before it is
 * known whether its order was paid.
 */
export type NewMessage = { orderId: string | null; kind: string; payload: unknown; held?: boolean }

export type AddedMessage = { id: string; createdAt: string }

/** Adds a message to the outbox, in the transaction of what it tells of. The time is ISO 8601. */
export async function addMessage(
  tx: Tx,
  { orderId, kind, payload, held = false }: NewMessage,
): Promise<AddedMessage> {
  // Not now(), from before the wait for the order's lock: it was paid, or not, when this is written.
  const createdAt = orderId === null ? sql`now()` : sql`clock_timestamp()`
  const { rows } = await sql<{ id: string; createdAt: Date }>`
    insert into orderwheel.outbox (order_id, kind, payload, created_at, try_after)
    values (${orderId}, ${kind}, ${JSON.stringify(payload)}::jsonb, ${createdAt}, case when ${held} then 'infinity'::timestamptz end)
    returning id, created_at as "createdAt"`.execute(tx)
  const [added] = rows
  if (!added) throw new Error(`No message ${kind} was added.`)
  return { id: added.id, createdAt: added.createdAt.toISOString() }
}
