import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

import type { Finding, FindingKind } from './finding.ts'

/**
 * Locks what a finding is about, in the order in which everybody locks: its order, its job, the deliveries of its order.
 * What is not there is not locked: whoever writes it has a unique index to agree by.
 */
export async function lockSubject(
  tx: Tx,
  { kind, orderId, messageId, target }: Finding,
): Promise<void> {
  if (locksMessages.has(kind)) await lockMessages(tx, orderId)
  if (messageId !== null && target !== null)
    await sql`
      select from pgboss.job where name = ${target} and id = ${messageId}::uuid for update`.execute(
      tx,
    )
  if (orderId !== null)
    await sql`
      select from orderwheel.deliveries where order_id = ${orderId}::uuid
       order by message_id, target for update`.execute(tx)
}

const locksMessages: ReadonlySet<FindingKind> = new Set([
  'order-without-message',
  'delivery-missing',
  'message-late',
])

// Nothing can happen to the order any more, and what has is relayed before or after: a relay that did not see the
// delivery which is about to be written would not have a later message wait for it.
async function lockMessages(tx: Tx, orderId: string | null): Promise<void> {
  await sql`select from orderwheel.orders where id = ${orderId}::uuid for update`.execute(tx)
  await sql`
    select from orderwheel.outbox where order_id = ${orderId}::uuid order by position for update`.execute(
    tx,
  )
}
