import { sql } from 'kysely'

import { withinIds } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'

import type { Settlement } from './decide-settlement.ts'

/** Archives given-up deliveries with every attempt, for a person to decide. Attempts must be recorded already. */
export async function buryDeliveries(
  tx: Tx,
  target: string,
  dead: readonly Settlement[],
): Promise<void> {
  if (dead.length === 0) return
  const letters = dead.map(({ delivery, attempt }) => ({
    message_id: delivery.messageId,
    order_id: delivery.orderId,
    reason: attempt?.reason ?? 'No reason given.',
  }))
  const ids = dead.map(({ delivery }) => delivery.messageId)
  await sql`
    insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts)
    select l.message_id, ${target}, l.order_id, l.reason,
           (select jsonb_agg(to_jsonb(a) - 'message_id' - 'target' order by a.number)
              from orderwheel.delivery_attempts a
             where a.message_id = l.message_id and a.target = ${target} and ${withinIds('a.message_id', ids)})
      from json_to_recordset(${JSON.stringify(letters)}::json)
        as l(message_id uuid, order_id uuid, reason text)
      join orderwheel.deliveries d on d.message_id = l.message_id and d.target = ${target} and ${withinIds('d.message_id', ids)} -- its order may be deleted`.execute(
    tx,
  )
}
