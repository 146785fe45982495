import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import type { Order } from '#messages/order.ts'
import { type HeldJob, endJobs, takeJobs } from '#queues/jobs.ts'
import type { MessageToTell, OrderToTell } from '#targets/target.ts'

import type { WorkerDeps } from './worker-deps.ts'

/** A delivery in this worker's hands: its job is fetched and its attempt has begun. */
export type ClaimedDelivery = {
  job: HeldJob
  /** The attempt's number, 1 for the first. */
  attempt: number
  /** Attempts that count against the limit, this one included. */
  charged: number
  /** The previous attempt's worker died or lost the job: whether the target was told is unknown. */
  afterAbandoned: boolean
  order: OrderToTell
  message: MessageToTell
}

/**
 * Takes up to `count` due deliveries of a target in one transaction: fetches their jobs, marks them
 * `active`, and records the attempt that a lost worker left behind. What is committed here is what a
 * later claim knows if this worker dies.
 */
export async function claimDeliveries(
  { db, boss, worker }: Pick<WorkerDeps, 'db' | 'boss' | 'worker'>,
  { target, count }: { target: string; count: number },
): Promise<ClaimedDelivery[]> {
  return db.transaction().execute(async (tx) => {
    const jobs = await takeJobs(tx, boss, { queue: target, count })
    if (jobs.length === 0) return []
    const rows = await beginAttempts(tx, { target, worker, ids: jobs.map((job) => job.id) })
    const begun = new Map(rows.map((row) => [row.messageId, row]))
    // A job without an open delivery was settled by hand or never was ours: nothing to tell.
    const orphans = jobs.filter((job) => !begun.has(job.id))
    const ends = orphans.map((job) => ({ job, end: { kind: 'cancel' } as const }))
    await endJobs(tx, boss, { queue: target, ends })
    return jobs.flatMap((job) => {
      const row = begun.get(job.id)
      return row ? [toClaimed(job, row)] : []
    })
  })
}

type BegunAttempt = {
  messageId: string
  attempt: number
  uncharged: number
  wasActive: boolean
  orderId: string
  kind: string
  payload: unknown
  createdAt: Date
  document: Order
  receivedAt: Date
}

// Rows are locked in the order every other transaction locks them, so that two cannot deadlock.
async function beginAttempts(
  tx: Tx,
  { target, worker, ids }: { target: string; worker: string; ids: string[] },
): Promise<BegunAttempt[]> {
  const { rows } = await sql<BegunAttempt>`
    with locked as (
      select message_id from orderwheel.deliveries
       where message_id = any(${ids}::uuid[]) and target = ${target} and settled_at is null
       order by message_id
         for update
    ), begun as (
      update orderwheel.deliveries d
         set state = 'active', attempts = d.attempts + 1, started_at = now(), worker = ${worker}
        from locked
       where d.message_id = locked.message_id and d.target = ${target}
      returning d.message_id, d.order_id, d.attempts, d.uncharged,
                old.state as old_state, old.started_at as old_started_at, old.worker as old_worker
    ), abandoned as (
      insert into orderwheel.delivery_attempts
             (message_id, target, number, started_at, outcome, reason, worker)
      select message_id, ${target}, attempts - 1, coalesce(old_started_at, now()), 'abandoned',
             'The worker stopped answering; whether the target was told is unknown.',
             coalesce(old_worker, 'unknown')
        from begun
       where old_state = 'active' and attempts > 1
      on conflict do nothing -- a state changed by hand: the attempt is recorded already
    )
    select b.message_id as "messageId", b.attempts as attempt, b.uncharged,
           b.old_state = 'active' as "wasActive", b.order_id as "orderId",
           m.kind, m.payload, m.created_at as "createdAt",
           o.document, o.received_at as "receivedAt"
      from begun b
      join orderwheel.messages m on m.id = b.message_id
      join orderwheel.orders o on o.id = b.order_id`.execute(tx)
  return rows
}

function toClaimed(job: HeldJob, row: BegunAttempt): ClaimedDelivery {
  return {
    job,
    attempt: row.attempt,
    charged: row.attempt - row.uncharged,
    afterAbandoned: row.wasActive,
    order: { ...row.document, id: row.orderId, receivedAt: row.receivedAt.toISOString() },
    message: {
      id: row.messageId,
      kind: row.kind,
      payload: row.payload,
      createdAt: row.createdAt.toISOString(),
    },
  }
}
