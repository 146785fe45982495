import { fromKysely } from 'pg-boss'
import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { hasQueue } from '#queues/jobs.ts'
import { replaceJobs } from '#queues/replace-jobs.ts'

import type { Finding } from './finding.ts'
import type { Mended, RepairDeps } from './repair.ts'

type Found = { orderId: string; kind: string; state: string; lastFetch: number }

/**
 * Gives an open delivery its job again, under the same id. A worker may have had the old one in its hands: it is counted
 * as one more fetch, so that the next claim records an attempt that was lost, asks first, and never blindly calls again
 * a target that is not idempotent; of one whose calls are announced, only a call that was. Null when the target has no queue.
 */
export async function recreateJob(
  tx: Tx,
  { boss }: Pick<RepairDeps, 'boss'>,
  { messageId, target }: Finding,
): Promise<Mended> {
  if (messageId === null || target === null) return null
  const { rows } = await sql<Found>`
    select d.order_id as "orderId", m.kind, d.state, d.last_fetch as "lastFetch"
      from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
     where d.message_id = ${messageId}::uuid and d.target = ${target} and ${hasQueue(sql`d.target`)}`.execute(
    tx,
  )
  const [found] = rows
  if (!found) return null
  const { orderId, kind, state, lastFetch } = found
  await replaceJobs(tx, boss, {
    queue: target,
    replace: [{ messageId, orderId, kind, lastFetch: lastFetch + 1 }],
  })
  const after = state === 'active' ? 'retrying' : state
  await sql`
    update orderwheel.deliveries set state = ${after}
     where message_id = ${messageId}::uuid and target = ${target}`.execute(tx)
  return { action: 'delivery.job-recreated', before: state, after, targets: [target] }
}

/** Deletes a job that has nothing to deliver. Null while a worker has it: it ends it by itself. */
export async function deleteJob(
  tx: Tx,
  { boss }: Pick<RepairDeps, 'boss'>,
  { messageId, target }: Finding,
): Promise<Mended> {
  if (messageId === null || target === null) return null
  const { rows } = await sql<{ state: string }>`
    select state from pgboss.job where name = ${target} and id = ${messageId}::uuid`.execute(tx)
  const [job] = rows
  if (!job || job.state === 'active') return null
  await boss.deleteJob(target, messageId, { db: fromKysely(tx) })
  return { action: 'job.deleted', before: job.state, after: null }
}
