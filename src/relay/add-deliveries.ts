import { sql } from 'kysely'

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
 * or when an earlier message of the same order is still open (or dead) for the same target.
 */
export async function addDeliveries(
  tx: Tx,
  deliveries: readonly NewDelivery[],
): Promise<(NewDelivery & { state: 'queued' | 'waiting' })[]> {
  if (deliveries.length === 0) return []
  const held = await heldBack(tx, deliveries)
  const decided = deliveries.map((delivery) => ({
    ...delivery,
    state: isHeld(delivery, held) ? ('waiting' as const) : ('queued' as const),
  }))
  await sql`
    insert into orderwheel.deliveries (message_id, target, position, order_id, state, after)
    select "messageId", target, position, "orderId", state, after
      from json_to_recordset(${JSON.stringify(decided)}::json)
        as d("messageId" uuid, target text, position bigint, "orderId" uuid, state text, after text[])`.execute(
    tx,
  )
  return decided
}

function isHeld(delivery: NewDelivery, held: ReadonlySet<string>): boolean {
  return delivery.after.length > 0 || held.has(`${delivery.orderId}:${delivery.target}`)
}

// Locks what it finds: without the lock, an earlier delivery that is being settled at this moment would
// still look open here, and its settlement would not see the one we are about to make wait for it.
async function heldBack(tx: Tx, deliveries: readonly NewDelivery[]): Promise<Set<string>> {
  const orderIds = [...new Set(deliveries.map((delivery) => delivery.orderId))]
  const { rows } = await sql<{ order_id: string; target: string; state: string }>`
    select order_id, target, state from orderwheel.deliveries
     where order_id = any(${orderIds}::uuid[])
       and state not in ('delivered', 'skipped', 'shed', 'cancelled')
     order by message_id, target
       for update`.execute(tx)
  return new Set(rows.map((row) => `${row.order_id}:${row.target}`))
}
