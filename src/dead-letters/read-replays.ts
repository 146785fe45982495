import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'

import type { LetterFilter } from './letter-filter.ts'
import type { ReplayAction, ReplayState } from './take-replay.ts'

export type ReplayReport = {
  id: string
  action: ReplayAction
  state: ReplayState
  filter: LetterFilter
  requestedBy: string
  reason: string | null
  createdAt: Date
  ratePerSecond: number
  total: number
  /** Replayed or discarded. */
  done: number
  refused: number
  /** Not worked off yet; of a cancelled one: not worked off. */
  left: number
  changedBy: string | null
  changedAt: Date
  finishedAt: Date | null
}

/** Newest first, `limit` of them, from below the one with the id `before` on. */
export async function listReplays(
  db: Db,
  { limit, before }: { limit: number; before?: string | undefined },
): Promise<ReplayReport[]> {
  const { rows } = await sql<ReplayReport>`
    ${report}
     where ${before === undefined ? sql`true` : sql`id < ${before}::uuid`}
     order by id desc limit ${limit}`.execute(db)
  return rows
}

export async function readReplay(db: Db, id: string): Promise<ReplayReport | undefined> {
  const { rows } = await sql<ReplayReport>`${report} where id = ${id}::uuid`.execute(db)
  return rows[0]
}

const report = sql`
  select id, action, state, filter, requested_by as "requestedBy", reason, created_at as "createdAt",
         rate_per_second as "ratePerSecond", total, replayed as done, refused,
         total - replayed - refused as left, changed_by as "changedBy", changed_at as "changedAt",
         finished_at as "finishedAt"
    from orderwheel.replays`

export type ReplayItem = {
  position: number
  letterId: string
  state: 'waiting' | 'done' | 'refused' | 'cancelled'
  /** Why it was refused, or what a replayed one waits for. */
  result: string | null
  workedOffAt: Date | null
  /** These are null when the letter is gone: its order was deleted, or its time was over. */
  target: string | null
  orderId: string | null
  externalId: string | null
  messageId: string | null
  /** As it is now. */
  deliveryState: DeliveryState | null
}

export type ItemsWanted = {
  limit: number
  /** From the one behind this position on. */
  after?: number | undefined
  state?: ReplayItem['state'] | undefined
}

/** A replay's list, in its order, with what became of each delivery by now. */
export async function readItems(
  db: Db,
  id: string,
  { limit, after = 0, state }: ItemsWanted,
): Promise<ReplayItem[]> {
  const { rows } = await sql<ReplayItem>`
    select i.position, i.letter_id as "letterId", i.state, i.result, i.worked_off_at as "workedOffAt",
           l.target, l.order_id as "orderId", o.external_id as "externalId", l.message_id as "messageId",
           d.state as "deliveryState"
      from (select position, letter_id, result, worked_off_at, ${itemState(id)} as state
              from orderwheel.replay_items
             where replay_id = ${id}::uuid and position > ${after}
               and ${state === undefined ? sql`true` : sql`${itemState(id)} = ${state}`}
             order by position limit ${limit}) i
      left join orderwheel.dead_letters l on l.id = i.letter_id
      left join orderwheel.deliveries d on d.message_id = l.message_id and d.target = l.target
      left join orderwheel.orders o on o.id = l.order_id
     order by i.position`.execute(db)
  return rows
}

// What is left of a cancelled list is marked afterwards, if whoever cancelled it lives to do so.
function itemState(id: string) {
  return sql`case when state = 'waiting' and (select r.state from orderwheel.replays r where r.id = ${id}::uuid) = 'cancelled'
                  then 'cancelled' else state end`
}
