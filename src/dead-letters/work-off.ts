import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'
import {
  type DeadDelivery,
  lockOrders,
  reviveDeliveries,
  skipDeliveries,
} from '#deliveries/decide-many.ts'
import { hasQueue } from '#queues/jobs.ts'
import type { Boss } from '#queues/open-boss.ts'

import { type ClosedLetter, sayClosed } from './say-closed.ts'
import type { TakenReplay } from './take-replay.ts'

export type WorkedOff = {
  done: { position: number; note: string | null }[]
  refused: { position: number; reason: string }[]
  /** That got jobs. */
  targets: string[]
}

/**
 * Replays or discards the dead letters at these places of a replay's list, as far as nobody else decided on them. What was
 * shed and comes too late to be replayed stays shed, and its letter is discarded: there is nothing left to decide.
 */
export async function workOff(tx: Tx, boss: Boss, taken: TakenReplay): Promise<WorkedOff> {
  const orderIds = await findOrders(tx, taken)
  await lockOrders(tx, orderIds)
  // A statement of its own, after the lock: it sees what was decided while we waited for it.
  const items = (await readItems(tx, taken, orderIds)).map((item) => ({
    ...item,
    refusal: findRefusal(item, taken.action),
  }))
  const refused = items.flatMap(({ position, refusal }) =>
    refusal === undefined ? [] : [{ position, reason: refusal }],
  )
  const open = items.filter(({ refusal }) => refusal === undefined)
  await closeLetters(tx, taken, [
    ...open.map(({ letterId }) => ({ letterId, ...endOf(taken) })),
    ...items
      .filter((item) => isTooLate(item, taken.action))
      .map(({ letterId, refusal }) => ({
        letterId,
        resolution: 'discarded' as const,
        comment: refusal ?? null,
      })),
  ])
  const targets =
    taken.action === 'replay'
      ? await reviveDeliveries(tx, boss, { dead: open, edits: editsOf(taken) })
      : await skipDeliveries(tx, boss, open)
  const waiting = taken.action === 'replay' ? await findWaiting(tx, taken, orderIds) : new Set()
  const done = open.map(({ position }) => ({
    position,
    note: waiting.has(position) ? 'It waits for what its order has to be told first.' : null,
  }))
  return { done, refused, targets }
}

/** The previous version does not say of which letter an edit is; it has them in lists of one only. */
function editsOf({ total }: TakenReplay): 'of-the-letter' | 'any' {
  return total === 1 ? 'any' : 'of-the-letter'
}

async function findOrders(tx: Tx, { id, positions }: TakenReplay): Promise<string[]> {
  const { rows } = await sql<{ orderId: string }>`
    select distinct l.order_id as "orderId"
      from orderwheel.replay_items i join orderwheel.dead_letters l on l.id = i.letter_id
     where i.replay_id = ${id} and i.position = any(${positions}::int[])`.execute(tx)
  return rows.map(({ orderId }) => orderId)
}

type Item = DeadDelivery & {
  position: number
  /** Null: it is gone, with its order or by its retention. */
  target: string | null
  state: DeliveryState
  hasQueue: boolean
  /** The kind of a later message of its order that its target was or is being told, or will not be told of. */
  overtakenBy: string | null
  closed: ClosedLetter | null
}

async function readItems(tx: Tx, { id, positions }: TakenReplay, orderIds: readonly string[]) {
  const { rows } = await sql<Item & { resolvedAt: Date | null; resolvedBy: string | null }>`
    select i.position, i.letter_id as "letterId", l.message_id as "messageId", l.target,
           l.order_id as "orderId", d.state, ${hasQueue(sql.ref('l.target'))} as "hasQueue",
           case when d.state = 'shed' then (
             select m.kind from orderwheel.deliveries later join orderwheel.messages m on m.id = later.message_id
              where later.order_id = l.order_id and later.target = l.target and later.position > d.position
                and later.state not in ('waiting', 'shed') and ${sinceOrders('later.message_id', orderIds)}
              order by later.position limit 1) end as "overtakenBy",
           case when l.resolved_at is not null then json_build_object(
             'resolution', l.resolution, 'at', l.resolved_at, 'by', l.resolved_by,
             'comment', l.comment, 'replayId', l.replay_id) end as closed
      from orderwheel.replay_items i
      left join orderwheel.dead_letters l on l.id = i.letter_id
      left join orderwheel.deliveries d on d.message_id = l.message_id and d.target = l.target
                                       and ${sinceOrders('d.message_id', orderIds)}
     where i.replay_id = ${id} and i.position = any(${positions}::int[])
     order by i.position`.execute(tx)
  return rows
}

function findRefusal(item: Item, action: TakenReplay['action']): string | undefined {
  const { target, closed, state } = item
  if (target === null) return 'It is gone: its order was deleted, or its time was over.'
  if (closed) return sayClosed(closed)
  if (isTooLate(item, action))
    return `It comes too late: ${item.overtakenBy}, which happened later to its order, is not waiting for it.`
  if (state !== 'dead' && state !== 'shed') return `Its delivery is ${state}, not dead.`
  if (action === 'replay' && !item.hasQueue)
    return `The target ${target} has no queue: no relay or worker with it in its configuration has started.`
  return undefined
}

function isTooLate({ closed, overtakenBy }: Item, action: TakenReplay['action']): boolean {
  return action === 'replay' && closed === null && overtakenBy !== null
}

type LetterEnd = { resolution: 'replayed' | 'discarded'; comment: string | null }

function endOf({ action, reason }: TakenReplay): LetterEnd {
  return { resolution: action === 'replay' ? 'replayed' : 'discarded', comment: reason }
}

async function closeLetters(
  tx: Tx,
  { id, who }: TakenReplay,
  ends: readonly (LetterEnd & { letterId: string })[],
): Promise<void> {
  if (ends.length === 0) return
  const ids = ends.map(({ letterId }) => letterId)
  await sql`
    with closing as materialized ( -- in one order for everybody who locks several: see holdLetters
      select id from orderwheel.dead_letters where id = any(${ids}::uuid[]) order by id for update
    )
    update orderwheel.dead_letters l
       set resolution = e.resolution, resolved_at = now(), resolved_by = ${who}, comment = e.comment, replay_id = ${id}
      from closing
      join json_to_recordset(${JSON.stringify(ends)}::json) as e("letterId" uuid, resolution text, comment text)
        on e."letterId" = closing.id
     where l.id = closing.id`.execute(tx)
}

/** The places of those that were replayed and have no job yet. */
async function findWaiting(
  tx: Tx,
  { id, positions }: TakenReplay,
  orderIds: readonly string[],
): Promise<Set<number>> {
  const { rows } = await sql<{ position: number }>`
    select i.position
      from orderwheel.replay_items i
      join orderwheel.dead_letters l on l.id = i.letter_id and l.replay_id = i.replay_id
      join orderwheel.deliveries d on d.message_id = l.message_id and d.target = l.target
     where i.replay_id = ${id} and i.position = any(${positions}::int[]) and d.state = 'waiting'
       and ${sinceOrders('d.message_id', orderIds)}`.execute(tx)
  return new Set(rows.map(({ position }) => position))
}
