import { sinceOrders } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import type { Boss } from '#queues/open-boss.ts'

import { releaseWaiting } from './release-waiting.ts'

export type Released = { target: string; messageId: string; kind: string }

/**
 * Releases what waits for nothing any more in an order, and answers it. What waits must be locked
 * (lockDeliveries).
 */
export async function releaseOrder(tx: Tx, boss: Boss, orderId: string): Promise<Released[]> {
  const waited = await readWaiting(tx, orderId)
  await releaseWaiting(tx, boss, [orderId])
  const waits = await readWaiting(tx, orderId)
  return waited.filter(
    (one) => !waits.some((two) => two.messageId === one.messageId && two.target === one.target),
  )
}

function readWaiting(tx: Tx, orderId: string): Promise<Released[]> {
  return tx
    .selectFrom('orderwheel.deliveries as d')
    .innerJoin('orderwheel.messages as m', 'm.id', 'd.message_id')
    .select(['d.target', 'd.message_id as messageId', 'm.kind'])
    .where('d.order_id', '=', orderId)
    .where(sinceOrders('d.message_id', [orderId]))
    .where(sinceOrders('m.id', [orderId]))
    .where('d.state', '=', 'waiting')
    .orderBy('d.position')
    .orderBy('d.target')
    .execute()
}
