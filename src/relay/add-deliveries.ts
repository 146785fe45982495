import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'

export type NewDelivery = {
  messageId: string
  position: string
  orderId: string
  kind: string
  target: string
  after: readonly string[]
  /** It need not be told: the order was cancelled before its target was told of it. */
  withdrawn: boolean
  /** Too much is open for its target, which may miss it. */
  shed: boolean
}

type AddedState = 'queued' | 'waiting' | 'cancelled' | 'shed'

/**
 * Writes deliveries: `queued` when they can be told now, `waiting` when they come after another target
 * or when an earlier message of the same order is still open (or dead) for the same target, `cancelled` when they
 * are withdrawn, `shed` when that was decided. What something waits for is marked `awaited`: settling it releases what waits.
 */
export async function addDeliveries(
  tx: Tx,
  deliveries: readonly NewDelivery[],
): Promise<(NewDelivery & { state: AddedState })[]> {
  if (deliveries.length === 0) return []
  const held = await markHolding(tx, deliveries)
  const keyOf = ({ messageId }: NewDelivery, target: string) => `${messageId}:${target}`
  const awaited = new Set(deliveries.flatMap((one) => one.after.map((name) => keyOf(one, name))))
  const withdrawn = new Set(
    deliveries.filter((one) => one.withdrawn).map((one) => keyOf(one, one.target)),
  )
  const decided = deliveries.map((delivery) => {
    const isFirst = delivery.after.every((name) => withdrawn.has(keyOf(delivery, name)))
    const isHeld = !isFirst || held.has(`${delivery.orderId}:${delivery.target}`)
    return {
      ...delivery,
      state: stateOf(delivery, isHeld),
      awaited: awaited.has(keyOf(delivery, delivery.target)),
    }
  })
  await sql`
    insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, awaited, settled_at)
    select "messageId", target, position, "orderId", state, after, awaited,
           case when state in ('cancelled', 'shed') then now() end
      from json_to_recordset(${JSON.stringify(decided)}::json)
        as d("messageId" uuid, target text, position bigint, "orderId" uuid, state text, after text[], awaited boolean)`.execute(
    tx,
  )
  return decided
}

function stateOf({ withdrawn, shed }: NewDelivery, isHeld: boolean): AddedState {
  if (withdrawn) return 'cancelled'
  if (shed) return 'shed'
  return isHeld ? 'waiting' : 'queued'
}

// Locks what it finds, in the order in which everybody locks: without the lock, an earlier delivery that is
// being settled at this moment would still look open here, and its settlement would not see the one we are
// about to make wait for it. What was shed holds nobody up, unless it is being replayed at this moment: its state is read
// with the lock.
async function markHolding(tx: Tx, deliveries: readonly NewDelivery[]): Promise<Set<string>> {
  const orderIds = [...new Set(deliveries.map((delivery) => delivery.orderId))]
  const { rows } = await sql<{ order_id: string; target: string }>`
    with holding as materialized (
      select message_id, target, state from orderwheel.deliveries
       where order_id = any(${orderIds}::uuid[])
         and state not in ('delivered', 'skipped', 'cancelled')
         and ${sinceOrders('message_id', orderIds)}
       order by message_id, target
         for update
    )
    update orderwheel.deliveries d set awaited = true
      from holding h
     where h.state <> 'shed' and d.message_id = h.message_id and d.target = h.target and ${sinceOrders('d.message_id', orderIds)}
    returning d.order_id, d.target`.execute(tx)
  return new Set(rows.map((row) => `${row.order_id}:${row.target}`))
}
