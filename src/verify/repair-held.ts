import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

import type { Finding } from './finding.ts'
import type { Mended } from './repair.ts'

/**
 * Has a message relayed that is held for a payment which is known: what should have followed from that, follows. Null when
 * it is late for another reason.
 */
export async function releaseHeld(tx: Tx, { orderId, messageId }: Finding): Promise<Mended> {
  const { rows } = await sql<{ state: string }>`
    select p.state, orderwheel.settle_order(p.order_id)
      from orderwheel.outbox b join orderwheel.payments p on p.order_id = b.order_id
     where b.order_id = ${orderId}::uuid and b.id = ${messageId}::uuid and b.try_after = 'infinity'
       and p.state <> 'pending'`.execute(tx)
  return rows.length > 0 ? { action: 'message.released', before: 'held', after: 'waiting' } : null
}
