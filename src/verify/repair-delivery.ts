import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { releaseWaiting } from '#deliveries/release-waiting.ts'
import { hasQueue } from '#queues/jobs.ts'

import type { Finding } from './finding.ts'
import { markAwaited } from './repair-waiting.ts'
import type { Mended, RepairDeps } from './repair.ts'

/**
 * Writes a delivery that a message was routed to: for the job that is there, or with a job unless it has something to
 * wait for. Nobody knows any more whether the target was told, so that without the old job it counts as called once: a
 * target is asked first, and one that is not idempotent is left to a person. Null when it is not known where to, the
 * target is not in the configuration, a worker has the job, or the target may have been told a later message of the order.
 */
export async function recreateDelivery(
  tx: Tx,
  { boss, afterOf }: Pick<RepairDeps, 'boss' | 'afterOf'>,
  { orderId, messageId, target }: Finding,
): Promise<Mended> {
  if (orderId === null || messageId === null || target === null) return null
  const after = afterOf(target)
  const job = await readJob(tx, { messageId, target })
  if (!after || job?.state === 'active') return null
  const isNew = await insertDelivery(tx, { messageId, target, after, job })
  if (!isNew) return null
  await markAwaited(tx, orderId)
  const targets = await releaseWaiting(tx, boss, [orderId])
  const state = job || targets.includes(target) ? 'queued' : 'waiting'
  return { action: 'delivery.created-again', before: null, after: state, targets }
}

async function readJob(
  tx: Tx,
  { messageId, target }: { messageId: string; target: string },
): Promise<Job | undefined> {
  const { rows } = await sql<Job>`
    select state, state <> 'created' or retry_count > 0 as "wasFetched" from pgboss.job
     where name = ${target} and id = ${messageId}::uuid and state < 'completed'`.execute(tx)
  return rows[0]
}

/** `wasFetched`: it, or the one that it took the place of. */
type Job = { state: string; wasFetched: boolean }

type NewDelivery = {
  messageId: string
  target: string
  after: readonly string[]
  job: Job | undefined
}

// A target that is not told of this message is not waited for. The fetch before a job's first is -1: one more is one
// that nobody recorded. A job that was fetched before has counted by itself, but not that its call was announced.
async function insertDelivery(
  tx: Tx,
  { messageId, target, after, job }: NewDelivery,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, last_fetch, ask_first)
    select m.id, ${target}, m.position, m.order_id, ${job ? 'queued' : 'waiting'},
           array(select a from unnest(${after}::text[]) a where a = any(m.targets)), ${job ? -1 : -2},
           ${job?.wasFetched ?? true}
      from orderwheel.messages m
     where m.id = ${messageId}::uuid and ${hasQueue(sql`${target}`)} and not exists (${laterTold(target)})
    on conflict do nothing`.execute(tx)
  return numAffectedRows === 1n
}

// One that has a job may be being called at this moment: a claim writes nothing. What waits was not called, unless it
// died and is to be told again.
function laterTold(target: string) {
  return sql`
    select from orderwheel.deliveries later
     where later.order_id = m.order_id and later.target = ${target} and later.position > m.position
       and (later.attempts > 0 or later.state not in ('waiting', 'skipped', 'shed', 'cancelled'))`
}
