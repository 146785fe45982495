import { sql } from 'kysely'

import { withinIds } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import { endJobs } from '#queues/jobs.ts'

import { buryDeliveries } from './bury-deliveries.ts'
import type { Settlement } from './decide-settlement.ts'
import { enterTold } from './enter-told.ts'
import { type FileOfOrder, keepFiles } from './keep-files.ts'
import { lockDeliveries } from './lock-deliveries.ts'
import { releaseWaiting } from './release-waiting.ts'
import { calledAlone } from './suspects.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type Settled = {
  /** Those that were still ours; the others had been abandoned and belong to another worker now. */
  settlements: Settlement[]
  /** Targets that got jobs because a delivery they waited for was made. */
  released: string[]
}

/**
 * Settles deliveries of one target in one transaction: jobs behind the attempt fence, attempts, deliveries, files,
 * dead letters, entries in the audit chain, and the jobs of what waited for them (`later`: left to releaseStranded). Repeating it after a
 * commit whose answer was lost changes nothing.
 */
export async function settleDeliveries(
  deps: Pick<WorkerDeps, 'db' | 'boss' | 'worker'>,
  target: string,
  settlements: readonly Settlement[],
  { release }: { release: 'now' | 'later' } = { release: 'now' },
): Promise<Settled> {
  const awaited = new Set(
    settlements
      .filter(({ delivery, state }) => delivery.awaited && isDone(state))
      .map(({ delivery }) => delivery.orderId),
  )
  for (;;) {
    try {
      return await settle(deps, target, settlements, { release, awaited })
    } catch (error) {
      if (!(error instanceof LateWaiting)) throw error
      for (const orderId of error.orderIds) awaited.add(orderId)
    }
  }
}

function isDone(state: Settlement['state']): boolean {
  return state === 'delivered' || state === 'cancelled'
}

/** Orders got something that waits since their deliveries were claimed: it has to be locked first. */
class LateWaiting extends Error {
  readonly orderIds: readonly string[]

  constructor(orderIds: readonly string[]) {
    super('Something waits that is not locked.')
    this.orderIds = orderIds
  }
}

function settle(
  deps: Pick<WorkerDeps, 'db' | 'boss' | 'worker'>,
  target: string,
  settlements: readonly Settlement[],
  { release, awaited }: { release: 'now' | 'later'; awaited: ReadonlySet<string> },
): Promise<Settled> {
  return deps.db.transaction().execute(async (tx) => {
    const ends = settlements.map(({ delivery, jobEnd }) => ({ job: delivery.job, end: jobEnd }))
    const held = await endJobs(tx, deps.boss, { queue: target, ends })
    const ours = settlements.filter(({ delivery }) => held.has(delivery.job.id))
    if (ours.length === 0) return { settlements: [], released: [] }
    await lockOrders(tx, target, { settlements: ours, awaited })
    const releasing = await recordAttempts(tx, { target, worker: deps.worker, settlements: ours })
    const late = releasing.filter((orderId) => !awaited.has(orderId))
    if (release === 'now' && late.length > 0) throw new LateWaiting(late)
    await keepFiles(tx, target, ours.flatMap(fileOf))
    await buryDeliveries(
      tx,
      target,
      ours.filter(({ state }) => state === 'dead'),
    )
    const released = release === 'now' ? await releaseOrders(tx, deps, target, releasing) : []
    await enterTold(tx, target, ours)
    return { settlements: ours, released }
  })
}

function fileOf({ delivery: { orderId, messageId }, file }: Settlement): FileOfOrder[] {
  return file ? [{ ...file, orderId, messageId }] : []
}

// A row that somebody else holds locked is waited for less long than our jobs may go without a heartbeat, which
// passes over them while this transaction has them locked. Read by PostgreSQL when a wait begins.
const setPatience = sql`set_config('lock_timeout', '4s', true)`

// Most orders have nothing that waits; those that do are locked with what waits in them before anything is
// written, in the order in which everybody locks.
async function lockOrders(
  tx: Tx,
  target: string,
  { settlements, awaited }: { settlements: readonly Settlement[]; awaited: ReadonlySet<string> },
): Promise<void> {
  if (awaited.size === 0) return
  await sql`select ${setPatience}`.execute(tx)
  const messageIds = settlements.map(({ delivery }) => delivery.messageId)
  await lockDeliveries(tx, { target, messageIds, orderIds: [...awaited] })
}

// One that was marked as called alone, and was not after all.
const mostUncalled = sql.lit(calledAlone - 1)

// A message relayed since the claim may wait as well: what it waits for was marked under the same lock that
// this statement takes, so that either the relay saw our commit or we see its mark.
async function recordAttempts(
  tx: Tx,
  { target, worker, settlements }: { target: string; worker: string; settlements: Settlement[] },
): Promise<string[]> {
  const now = performance.now()
  const ended = settlements.map(({ delivery, attempt, state, askFirst, stillSuspect }) => ({
    i: delivery.messageId,
    n: delivery.attempt,
    f: delivery.job.retryCount,
    s: state,
    q: askFirst,
    k: stillSuspect,
    ...(attempt && {
      o: attempt.outcome,
      r: attempt.reason,
      c: attempt.charged,
      ago: (now - attempt.begunAt) / 1_000,
      ms: attempt.durationMs,
      a: attempt.answer,
    }),
  }))
  const within = withinIds(
    'd.message_id',
    settlements.map(({ delivery }) => delivery.messageId),
  )
  const { rows } = await sql<{ orderId: string }>`
    with patience as materialized (
      select ${setPatience}
    ), ended as materialized (
      select e.* from patience, json_to_recordset(${JSON.stringify(ended)}::json) as e(
        i uuid, n int, f int, s text, q boolean, k boolean, o text, r text, c boolean, ago float8, ms int, a jsonb)
    ), locked as materialized (
      select e.*, -- one that was shown while it lasted began when it was said to; none ended after what is written of its end
             case when d.state = 'active' and d.worker = ${worker} and d.attempts = e.n - 1 and d.started_at is not null
                  then d.started_at
                  else least(statement_timestamp() - make_interval(secs => e.ago), now() - make_interval(secs => e.ms / 1000.0))
             end as began
        from ended e join orderwheel.deliveries d on d.message_id = e.i and d.target = ${target} and ${within}
       order by d.message_id
         for update of d
    ), settled as (
      update orderwheel.deliveries d
         set state = coalesce(e.s, case when d.state = 'active' then 'retrying' else d.state end),
             attempts = case when e.o is null then d.attempts else e.n end,
             uncharged = d.uncharged + case when e.c then 0 when e.o is null then 0 else 1 end,
             edited = case when e.s = 'delivered' then null else d.edited end,
             last_fetch = e.f, ask_first = e.q, worker = ${worker},
             lost_in_a_row = case when e.o is null or e.k then least(d.lost_in_a_row, ${mostUncalled}) else 0 end,
             started_at = case when e.o is null then d.started_at else e.began end,
             settled_at = case when coalesce(e.s, 'retrying') = 'retrying' then null else now() end
        from locked e
       where d.message_id = e.i and d.target = ${target} and ${within}
      returning d.order_id, d.awaited and d.state in ('delivered', 'cancelled') as releases
    ), recorded as (
      insert into orderwheel.delivery_attempts
             (message_id, target, number, started_at, duration_ms, outcome, reason, answer, worker, charged)
      select i, ${target}, n, began, ms, o, r, a, ${worker}, c
        from locked where o is not null
    )
    select distinct order_id as "orderId" from settled where releases`.execute(tx)
  return rows.map((row) => row.orderId)
}

// The look is a statement of its own, after the lock: see lockDeliveries.
async function releaseOrders(
  tx: Tx,
  { boss }: Pick<WorkerDeps, 'boss'>,
  target: string,
  orderIds: readonly string[],
): Promise<string[]> {
  if (orderIds.length === 0) return []
  await lockDeliveries(tx, { target, messageIds: [], orderIds })
  return releaseWaiting(tx, boss, orderIds)
}
