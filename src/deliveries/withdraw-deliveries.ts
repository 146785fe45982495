import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import { dropJobs } from '#queues/drop-jobs.ts'
import { type IdleJob, lockIdleJobs } from '#queues/lock-idle-jobs.ts'
import type { Boss } from '#queues/open-boss.ts'

import { releaseWaiting, toldEnough } from './release-waiting.ts'

type Withdrawal = {
  /** Orders that were cancelled. */
  cancelled: readonly string[]
  /** Those that need not be told of an order which was cancelled before they were. */
  targets: readonly string[]
  /** Of these, whose attempts say whether they may have been told: also where there were some, and each was refused. */
  evenTried: readonly string[]
  /** Of these: told by mail, whose servers refuse with 5yz, too. */
  byMail: readonly string[]
  /** Of these: whose deliveries that died without having told anybody are withdrawn, too, and their letters closed. */
  evenDead: readonly string[]
  /** Of all orders whose deliveries this transaction is going to lock: of these, and at once. */
  orderIds: readonly string[]
}

export type Withdrawn = {
  /** Whether a target was never told of an order, and need not be now. */
  has: (orderId: string, target: string) => boolean
  /** Targets that got jobs: what waited for a delivery that was withdrawn. */
  released: string[]
}

/**
 * Withdraws what these targets were to be told of orders that were cancelled, where a target was never called about the
 * order, or for certain never told: its deliveries become `cancelled` and their jobs go. Whatever may have been told stays
 * as it is, and with it all of that target's deliveries of the order: also one that a worker is fetching at this moment.
 */
export async function withdrawDeliveries(
  tx: Tx,
  boss: Boss,
  { orderIds, ...which }: Withdrawal,
): Promise<Withdrawn> {
  if (which.cancelled.length === 0 || which.targets.length === 0) return nothing
  // Jobs before deliveries, as everybody. A job that is locked here cannot be fetched any more.
  const idle = await lockIdleJobs(tx, await readQueued(tx, which))
  await lockUndone(tx, orderIds)
  const untold = await findUntold(tx, which, idle)
  if (untold.length === 0) return nothing
  const undone = await cancel(tx, untold)
  await dropJobs(
    tx,
    undone.filter(({ before }) => before !== 'waiting'),
  )
  await closeLetters(
    tx,
    undone.filter(({ before }) => before === 'dead'),
  )
  const changed = [...new Set(undone.map(({ orderId }) => orderId))]
  const released = await releaseWaiting(tx, boss, changed)
  const keys = new Set(untold.map((one) => keyOf(one.orderId, one.target)))
  return { has: (orderId, target) => keys.has(keyOf(orderId, target)), released }
}

const nothing: Withdrawn = { has: () => false, released: [] }

type Which = Omit<Withdrawal, 'orderIds'>
type OfTarget = { orderId: string; target: string }

function keyOf(orderId: string, target: string): string {
  return `${orderId}:${target}`
}

function areOf({ cancelled, targets }: Which) {
  return sql<boolean>`d.order_id = any(${cancelled}::uuid[]) and d.target = any(${targets}::text[])
     and ${sinceOrders('d.message_id', cancelled)}`
}

async function readQueued(tx: Tx, which: Which): Promise<{ queue: string; id: string }[]> {
  const { rows } = await sql<{ queue: string; id: string }>`
    select d.target as queue, d.message_id as id from orderwheel.deliveries d
     where ${areOf(which)} and d.state in ('queued', 'retrying')`.execute(tx)
  return rows
}

// All that this transaction will lock, in one statement: in two, it would not be in the order in which everybody locks.
// Also what was shed: it may be on its way to be told after all (see lockOrders).
async function lockUndone(tx: Tx, orderIds: readonly string[]): Promise<void> {
  await sql`
    select from orderwheel.deliveries
     where order_id = any(${orderIds}::uuid[]) and (state not in ${toldEnough} or state = 'shed')
       and ${sinceOrders('message_id', orderIds)}
     order by message_id, target
       for update`.execute(tx)
}

// A fetch that no attempt tells of is a call that a lost worker may have made. Where a part of the history was dropped,
// nobody knows any more whether the target was told; a target that has no delivery was never to be told of anything but
// the cancellation.
async function findUntold(tx: Tx, which: Which, idle: readonly IdleJob[]): Promise<OfTarget[]> {
  const { rows } = await sql<OfTarget>`
    select d.order_id as "orderId", d.target
      from orderwheel.deliveries d
      join orderwheel.orders o on o.id = d.order_id
      left join json_to_recordset(${JSON.stringify(idle)}::json) as j(queue text, id uuid, fetches int)
        on j.queue = d.target and j.id = d.message_id
     where ${areOf(which)} and o.received_at >= coalesce(orderwheel.history_since(), '-infinity')
     group by d.order_id, d.target
    having bool_and(case
             when d.state = 'waiting' then d.attempts = 0 and d.last_fetch = -1
             when d.state in ('queued', 'retrying') then ${toldNobody(which)} and coalesce(j.fetches = d.last_fetch + 1, false)
             when d.state = 'dead' then d.target = any(${which.evenDead}::text[]) and ${toldNobody(which)}
             else d.state in ('cancelled', 'skipped', 'shed') end)`.execute(tx)
  return rows
}

// Each attempt was not sent, or answered 4xx. Whoever was answered anything else may have been heard: by a target that
// broke down over it or says “not yet”, or by one that went on after what stands before it stopped waiting (502, 503, 524).
function toldNobody({ evenTried, byMail, cancelled }: Which) {
  return sql<boolean>`(not d.ask_first and (d.attempts = 0 or d.target = any(${evenTried}::text[]) and not exists (
    select from orderwheel.delivery_attempts a
     where a.message_id = d.message_id and a.target = d.target and ${sinceOrders('a.message_id', cancelled)}
       and (a.outcome not in ('try-again', 'give-up', 'handed-back')
            or (a.answer->>'status')::int not between 400 and 499
               and not (d.target = any(${byMail}::text[]) and (a.answer->>'status')::int between 500 and 599)))))`
}

async function cancel(
  tx: Tx,
  untold: readonly OfTarget[],
): Promise<{ orderId: string; queue: string; id: string; before: string }[]> {
  const orderIds = untold.map(({ orderId }) => orderId)
  const { rows } = await sql<{ orderId: string; queue: string; id: string; before: string }>`
    update orderwheel.deliveries d set state = 'cancelled', settled_at = now(), edited = null
      from json_to_recordset(${JSON.stringify(untold)}::json) as u("orderId" uuid, target text)
     where d.order_id = u."orderId" and d.target = u.target and d.state in ('waiting', 'queued', 'retrying', 'dead')
       and ${sinceOrders('d.message_id', orderIds)}
    returning d.order_id as "orderId", d.target as queue, d.message_id as id, old.state as before`.execute(
    tx,
  )
  return rows
}

async function closeLetters(
  tx: Tx,
  withdrawn: readonly { queue: string; id: string }[],
): Promise<void> {
  if (withdrawn.length === 0) return
  await sql`
    update orderwheel.dead_letters l
       set resolution = 'discarded', resolved_at = now(), resolved_by = 'orderwheel', comment = 'The order was cancelled.'
      from json_to_recordset(${JSON.stringify(withdrawn)}::json) as w(queue text, id uuid)
     where l.message_id = w.id and l.target = w.queue and l.resolved_at is null`.execute(tx)
}
