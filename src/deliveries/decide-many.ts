import { sql } from 'kysely'

import { sinceOrders, withinIds } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import type { Boss } from '#queues/open-boss.ts'
import { unburyJobs } from '#queues/replace-jobs.ts'

import { inTheWayOf, releaseWaiting, toldEnough } from './release-waiting.ts'

/** A dead delivery, or one that was shed and is to be told after all, and its open dead letter. */
export type DeadDelivery = { messageId: string; target: string; orderId: string; letterId: string }

/**
 * Locks everything in these orders that is open or that a person has to decide on, in the one order in which every
 * transaction locks deliveries (see lockDeliveries): what is decided on, what waits for it, and what it would have
 * to wait for; and what was shed, which may be decided on as well.
 */
export async function lockOrders(tx: Tx, orderIds: readonly string[]): Promise<void> {
  if (orderIds.length === 0) return
  await sql`
    select from orderwheel.deliveries
     where order_id = any(${[...new Set(orderIds)]}::uuid[]) and (state not in ${toldEnough} or state = 'shed')
       and ${sinceOrders('message_id', orderIds)}
     order by message_id, target
       for update`.execute(tx)
}

/**
 * Gives dead deliveries, whose orders must be locked (lockOrders), a job again and all their attempts. What is
 * suspected of taking workers down stays so until a call of it ends: its cause may not be mended. One that has
 * something in its way, an earlier message of its order for the same target say, waits for that first. Answers the
 * targets that got jobs. What somebody wrote to be sent instead is, if it was written for this letter, or `any`.
 */
export async function reviveDeliveries(
  tx: Tx,
  boss: Boss,
  { dead, edits }: { dead: readonly DeadDelivery[]; edits: 'of-the-letter' | 'any' },
): Promise<string[]> {
  if (dead.length === 0) return []
  await sql`
    update orderwheel.deliveries d
       set state = 'waiting', settled_at = null, uncharged = attempts,
           edited = case when ${edits} = 'any' or d.edited_for = listed.letter_id then d.edited end
      from ${listed(dead)} where ${isListed(dead)}`.execute(tx)
  // Only now: of two that died, the later has to wait for the earlier.
  await sql`
    update orderwheel.deliveries b set awaited = true
      from orderwheel.deliveries d, ${listed(dead)}
     where ${isListed(dead)} and not b.awaited and ${inTheWayOf('d')}
       and ${sinceOrders('b.message_id', orderIdsOf(dead))}`.execute(tx)
  return releaseWaiting(tx, boss, orderIdsOf(dead))
}

/** Gives dead deliveries up for good, as above; answers the targets of what had waited for them and got jobs. */
export async function skipDeliveries(
  tx: Tx,
  boss: Boss,
  dead: readonly DeadDelivery[],
): Promise<string[]> {
  if (dead.length === 0) return []
  await sql`
    update orderwheel.deliveries d set state = 'skipped', settled_at = now(), edited = null
      from ${listed(dead)} where ${isListed(dead)}`.execute(tx)
  for (const [queue, skipped] of Map.groupBy(dead, ({ target }) => target))
    await unburyJobs(tx, boss, { queue, ids: skipped.map(({ messageId }) => messageId) })
  return releaseWaiting(tx, boss, orderIdsOf(dead))
}

function listed(dead: readonly DeadDelivery[]) {
  const messageIds = dead.map(({ messageId }) => messageId)
  const targets = dead.map(({ target }) => target)
  const letterIds = dead.map(({ letterId }) => letterId)
  return sql`unnest(${messageIds}::uuid[], ${targets}::text[], ${letterIds}::uuid[]) as listed(message_id, target, letter_id)`
}

function isListed(dead: readonly DeadDelivery[]) {
  const messageIds = dead.map(({ messageId }) => messageId)
  return sql`d.message_id = listed.message_id and d.target = listed.target and ${withinIds('d.message_id', messageIds)}`
}

function orderIdsOf(dead: readonly DeadDelivery[]): string[] {
  return [...new Set(dead.map(({ orderId }) => orderId))]
}
