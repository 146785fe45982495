import { sql } from 'kysely'

import { sinceOrders, withinIds } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'

/**
 * Locks deliveries of a target, and everything that waits in these orders, in the one order in which
 * every transaction locks deliveries, message and then target: two cannot wait for each other.
 *
 * What waits is locked before anybody looks whether it has something left to wait for: of two
 * transactions that settle the two deliveries a third waits for, the later one then sees the earlier
 * one's commit, and one of them releases it. The look is a statement of its own, even when nothing waits
 * here: a relay that we waited for may have added what waits after this statement's snapshot.
 */
export async function lockDeliveries(
  tx: Tx,
  lock: { target: string; messageIds: readonly string[]; orderIds: readonly string[] },
): Promise<void> {
  const { target, messageIds, orderIds } = lock
  const these =
    messageIds.length > 0 &&
    sql`message_id = any(${messageIds}::uuid[]) and target = ${target} and ${withinIds('message_id', messageIds)}`
  const waiting =
    orderIds.length > 0 &&
    sql`order_id = any(${orderIds}::uuid[]) and state = 'waiting' and ${sinceOrders('message_id', orderIds)}`
  const meant = [these, waiting].filter((one) => one !== false)
  if (meant.length === 0) return
  await sql`
    select from orderwheel.deliveries
     where ${sql.join(meant, sql` or `)}
     order by message_id, target
       for update`.execute(tx)
}
