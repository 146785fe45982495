import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { type JobToAdd, addJobs, hasQueue } from '#queues/jobs.ts'
import type { Boss } from '#queues/open-boss.ts'

/**
 * SQL that says of a delivery `w` that nothing is left to wait for: every target in its `after` has been
 * told of the same message, and every earlier message of the order has been told to its own target.
 */
export const nothingInTheWay = sql`not exists (
  select from orderwheel.deliveries b
   where b.order_id = w.order_id
     and (b.message_id = w.message_id and b.target = any(w.after)
          or b.position < w.position and b.target = w.target)
     and b.state not in ('delivered', 'skipped', 'shed', 'cancelled'))`

type Released = JobToAdd & { target: string }

/**
 * Gives a job to each waiting delivery of these orders that has nothing left to wait for, and answers the
 * targets that got jobs. They must be locked (lockDeliveries). A target that was taken out of the
 * configuration gets its jobs as well, for when it comes back; one that never had a queue goes on waiting.
 */
export async function releaseWaiting(
  tx: Tx,
  boss: Boss,
  orderIds: readonly string[],
): Promise<string[]> {
  if (orderIds.length === 0) return []
  const { rows } = await sql<Released>`
    update orderwheel.deliveries w set state = 'queued'
      from orderwheel.messages m
     where w.order_id = any(${orderIds}::uuid[]) and w.state = 'waiting'
       and ${hasQueue(sql.ref('w.target'))}
       and m.id = w.message_id
       and ${nothingInTheWay}
    returning w.message_id as "messageId", w.order_id as "orderId", m.kind, w.target`.execute(tx)
  const byTarget = Map.groupBy(rows, (row) => row.target)
  for (const [target, add] of byTarget) {
    const inserted = await addJobs(tx, boss, { queue: target, add })
    if (inserted.length !== add.length) {
      throw new Error(`Queue ${target} took ${inserted.length} of ${add.length} released jobs.`)
    }
  }
  return [...byTarget.keys()]
}
