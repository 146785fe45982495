import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { releaseWaiting } from '#deliveries/release-waiting.ts'

import type { Finding } from './finding.ts'
import type { Mended, RepairDeps } from './repair.ts'

/** Releases what waits for nothing in an order, and has what is waited for know it. Null when a queue is missing. */
export async function releaseDelivery(
  tx: Tx,
  { boss }: Pick<RepairDeps, 'boss'>,
  { kind, orderId, target }: Finding,
): Promise<Mended> {
  if (orderId === null || target === null) return null
  const marked = await markAwaited(tx, orderId)
  const targets = await releaseWaiting(tx, boss, [orderId])
  if (kind === 'not-awaited')
    return marked
      ? { action: 'delivery.marked-awaited', before: false, after: true, targets }
      : null
  return targets.includes(target)
    ? { action: 'delivery.released', before: 'waiting', after: 'queued', targets }
    : null
}

/** Marks what something waits for in an order, whose deliveries must be locked. Answers whether anything was unmarked. */
export async function markAwaited(tx: Tx, orderId: string): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update orderwheel.deliveries b set awaited = true
      from orderwheel.deliveries w
     where w.order_id = ${orderId}::uuid and w.state = 'waiting' and b.order_id = ${orderId}::uuid
       and (b.message_id = w.message_id and b.target = any(w.after)
            or b.position < w.position and b.target = w.target)
       and b.state not in ('delivered', 'skipped', 'shed', 'cancelled') and not b.awaited`.execute(
    tx,
  )
  return numAffectedRows > 0n
}
