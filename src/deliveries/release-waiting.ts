import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import { type JobToAdd, addJobs, hasQueue } from '#queues/jobs.ts'
import type { Boss } from '#queues/open-boss.ts'
import { type JobToReplace, replaceJobs } from '#queues/replace-jobs.ts'

/** The states, as SQL, of a delivery that nothing waits for. */
export const toldEnough = sql`('delivered', 'skipped', 'shed', 'cancelled')`

/**
 * SQL that says of a delivery `b` that another one (its name in the statement) has to wait for it: the target is in
 * its `after` and was not told of the same message yet, or an earlier message of the order was not told to its target.
 */
export function inTheWayOf(waiting: string) {
  const w = sql.ref(waiting)
  return sql<boolean>`b.order_id = ${w}.order_id
     and (b.message_id = ${w}.message_id and b.target = any(${w}.after)
          or b.position < ${w}.position and b.target = ${w}.target)
     and b.state not in ${toldEnough}`
}

/** SQL that says of a delivery `w`, of one of these orders, that nothing is left to wait for. */
export function nothingInTheWay(orderIds: readonly string[]) {
  return sql<boolean>`not exists (
    select from orderwheel.deliveries b
     where ${inTheWayOf('w')} and ${sinceOrders('b.message_id', orderIds)})`
}

/** `lastFetch` is -1 for those that never had a job, -2 for those of which that is not known (see recreateDelivery). */
type Released = JobToReplace & { target: string }

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
       and ${sinceOrders('w.message_id', orderIds)}
       and ${hasQueue(sql.ref('w.target'))}
       and m.id = w.message_id and ${sinceOrders('m.id', orderIds)}
       and ${nothingInTheWay(orderIds)}
    returning w.message_id as "messageId", w.order_id as "orderId", m.kind, w.target,
              w.last_fetch as "lastFetch"`.execute(tx)
  const byTarget = Map.groupBy(rows, (row) => row.target)
  for (const [target, released] of byTarget) {
    const isNew = ({ lastFetch }: Released) => lastFetch === -1
    await addNew(tx, boss, { target, add: released.filter(isNew) })
    await addAgain(tx, boss, { target, replace: released.filter((one) => !isNew(one)) })
  }
  return [...byTarget.keys()]
}

async function addNew(
  tx: Tx,
  boss: Boss,
  { target, add }: { target: string; add: readonly JobToAdd[] },
): Promise<void> {
  if (add.length === 0) return
  const inserted = await addJobs(tx, boss, { queue: target, add })
  if (inserted.length === add.length) return
  throw new Error(`Queue ${target} took ${inserted.length} of ${add.length} released jobs.`)
}

/** Those that died and were replayed. Of one that may have had a job, its new one is a fetch ahead: a lost attempt. */
async function addAgain(
  tx: Tx,
  boss: Boss,
  { target, replace }: { target: string; replace: readonly JobToReplace[] },
): Promise<void> {
  if (replace.length === 0) return
  const counts = await replaceJobs(tx, boss, { queue: target, replace })
  const counted = [...counts].map(([id, count]) => ({ id, count }))
  await sql`
    update orderwheel.deliveries d set last_fetch = c.count - (d.last_fetch = -2)::int
      from json_to_recordset(${JSON.stringify(counted)}::json) as c(id uuid, count int)
     where d.message_id = c.id and d.target = ${target} and d.last_fetch <> c.count`.execute(tx)
}
