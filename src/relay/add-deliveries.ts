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
}

/**
 * Writes deliveries: `queued` when they can be told now, `waiting` when they come after another target
 * or when an earlier message of the same order is still open (or dead) for the same target. What something
 * waits for is marked `awaited`: settling it releases what waits.
 */
export async function addDeliveries(
  tx: Tx,
  deliveries: readonly NewDelivery[],
): Promise<(NewDelivery & { state: 'queued' | 'waiting' })[]> {
  if (deliveries.length === 0) return []
  const held = await markHolding(tx, deliveries)
  const awaited = new Set(
    deliveries.flatMap(({ messageId, after }) => after.map((name) => `${messageId}:${name}`)),
  )
  const decided = deliveries.map((delivery) => ({
    ...delivery,
    state: isHeld(delivery, held) ? ('waiting' as const) : ('queued' as const),
    awaited: awaited.has(`${delivery.messageId}:${delivery.target}`),
  }))
  await sql`
    insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, awaited)
    select "messageId", target, position, "orderId", state, after, awaited
      from json_to_recordset(${JSON.stringify(decided)}::json)
        as d("messageId" uuid, target text, position bigint, "orderId" uuid, state text, after text[], awaited boolean)`.execute(
    tx,
  )
  return decided
}

function isHeld(delivery: NewDelivery, held: ReadonlySet<string>): boolean {
  return delivery.after.length > 0 || held.has(`${delivery.orderId}:${delivery.target}`)
}

// Locks what it finds, in the order in which everybody locks: without the lock, an earlier delivery that is
// being settled at this moment would still look open here, and its settlement would not see the one we are
// about to make wait for it.
async function markHolding(tx: Tx, deliveries: readonly NewDelivery[]): Promise<Set<string>> {
  const orderIds = [...new Set(deliveries.map((delivery) => delivery.orderId))]
  const { rows } = await sql<{ order_id: string; target: string }>`
    with holding as materialized (
      select message_id, target from orderwheel.deliveries
       where order_id = any(${orderIds}::uuid[])
         and state not in ('delivered', 'skipped', 'shed', 'cancelled')
         and ${sinceOrders('message_id', orderIds)}
       order by message_id, target
         for update
    )
    update orderwheel.deliveries d set awaited = true
      from holding h
     where d.message_id = h.message_id and d.target = h.target and ${sinceOrders('d.message_id', orderIds)}
    returning d.order_id, d.target`.execute(tx)
  return new Set(rows.map((row) => `${row.order_id}:${row.target}`))
}
