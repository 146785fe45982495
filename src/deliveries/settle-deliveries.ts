import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { endJobs } from '#queues/jobs.ts'

import { buryDeliveries } from './bury-deliveries.ts'
import type { Settlement } from './decide-settlement.ts'
import { releaseWaiting } from './release-waiting.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type Settled = {
  /** Those that were still ours; the others had been abandoned and belong to another worker now. */
  settlements: Settlement[]
  /** Targets that got jobs because a delivery they waited for was made. */
  released: string[]
}

/**
 * Settles attempts of one target in one transaction: jobs behind the attempt fence, attempts,
 * deliveries, dead letters, and the jobs of what waited for them. Repeating it after a commit whose
 * answer was lost changes nothing.
 */
export async function settleDeliveries(
  deps: Pick<WorkerDeps, 'db' | 'boss' | 'worker'>,
  target: string,
  settlements: readonly Settlement[],
): Promise<Settled> {
  return deps.db.transaction().execute(async (tx) => {
    const ends = settlements.map(({ delivery, jobEnd }) => ({ job: delivery.job, end: jobEnd }))
    const held = await endJobs(tx, deps.boss, { queue: target, ends })
    const ours = settlements.filter(({ delivery }) => held.has(delivery.job.id))
    if (ours.length === 0) return { settlements: [], released: [] }
    await recordAttempts(tx, { target, worker: deps.worker, settlements: ours })
    await buryDeliveries(
      tx,
      target,
      ours.filter(({ state }) => state === 'dead'),
    )
    const told = ours.filter(({ state }) => state === 'delivered')
    const orderIds = [...new Set(told.map(({ delivery }) => delivery.order.id))]
    const released = await releaseWaiting(tx, deps.boss, orderIds)
    return { settlements: ours, released }
  })
}

async function recordAttempts(
  tx: Tx,
  { target, worker, settlements }: { target: string; worker: string; settlements: Settlement[] },
): Promise<void> {
  const ended = settlements.map((settlement) => ({
    message_id: settlement.delivery.message.id,
    number: settlement.delivery.attempt,
    state: settlement.state,
    uncharged: settlement.charged ? 0 : 1,
    outcome: settlement.outcome,
    reason: settlement.reason,
    duration_ms: settlement.durationMs,
    answer: settlement.answer,
  }))
  // Rows are locked in the order every other transaction locks them, so that two cannot deadlock.
  await sql`
    with ended as (
      select * from json_to_recordset(${JSON.stringify(ended)}::json) as e(
        message_id uuid, number int, state text, uncharged int,
        outcome text, reason text, duration_ms int, answer jsonb)
    ), locked as (
      select d.message_id, d.started_at
        from orderwheel.deliveries d join ended e on e.message_id = d.message_id
       where d.target = ${target}
       order by d.message_id
         for update of d
    ), settled as (
      update orderwheel.deliveries d
         set state = e.state, uncharged = d.uncharged + e.uncharged,
             settled_at = case when e.state = 'retrying' then null else now() end
        from locked l join ended e on e.message_id = l.message_id
       where d.message_id = l.message_id and d.target = ${target}
    )
    insert into orderwheel.delivery_attempts
           (message_id, target, number, started_at, duration_ms, outcome, reason, answer, worker)
    select e.message_id, ${target}, e.number, l.started_at, e.duration_ms,
           e.outcome, e.reason, e.answer, ${worker}
      from ended e join locked l on l.message_id = e.message_id`.execute(tx)
}
