import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { endJobs } from '#queues/jobs.ts'

import { buryDeliveries } from './bury-deliveries.ts'
import type { Settlement } from './decide-settlement.ts'
import { lockDeliveries } from './lock-deliveries.ts'
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
 * deliveries, dead letters, and the jobs of what waited for them (`later`: left to releaseStranded).
 * Repeating it after a commit whose
 * answer was lost changes nothing.
 */
export async function settleDeliveries(
  deps: Pick<WorkerDeps, 'db' | 'boss' | 'worker'>,
  target: string,
  settlements: readonly Settlement[],
  { release }: { release: 'now' | 'later' } = { release: 'now' },
): Promise<Settled> {
  return deps.db.transaction().execute(async (tx) => {
    const ends = settlements.map(({ delivery, jobEnd }) => ({ job: delivery.job, end: jobEnd }))
    const held = await endJobs(tx, deps.boss, { queue: target, ends })
    const ours = settlements.filter(({ delivery }) => held.has(delivery.job.id))
    if (ours.length === 0) return { settlements: [], released: [] }
    const told = ours.filter(({ state }) => state === 'delivered')
    const orderIds = [...new Set(told.map(({ delivery }) => delivery.order.id))]
    const messageIds = ours.map(({ delivery }) => delivery.message.id)
    await lockDeliveries(tx, { target, messageIds, orderIds })
    await recordAttempts(tx, { target, worker: deps.worker, settlements: ours })
    await buryDeliveries(
      tx,
      target,
      ours.filter(({ state }) => state === 'dead'),
    )
    const released = release === 'now' ? await releaseWaiting(tx, deps.boss, orderIds) : []
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
  await sql`
    with ended as (
      select * from json_to_recordset(${JSON.stringify(ended)}::json) as e(
        message_id uuid, number int, state text, uncharged int,
        outcome text, reason text, duration_ms int, answer jsonb)
    ), settled as (
      update orderwheel.deliveries d
         set state = e.state, uncharged = d.uncharged + e.uncharged,
             settled_at = case when e.state = 'retrying' then null else now() end
        from ended e
       where d.message_id = e.message_id and d.target = ${target}
      returning d.message_id, d.started_at
    )
    insert into orderwheel.delivery_attempts
           (message_id, target, number, started_at, duration_ms, outcome, reason, answer, worker)
    select e.message_id, ${target}, e.number, s.started_at, e.duration_ms,
           e.outcome, e.reason, e.answer, ${worker}
      from ended e join settled s on s.message_id = e.message_id`.execute(tx)
}
