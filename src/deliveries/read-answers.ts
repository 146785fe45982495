import { sql } from 'kysely'

import { sinceOrders, withinIds } from '#database/id-bounds.ts'
import type { Db, Tx } from '#database/open-database.ts'
import type { Answer } from '#targets/outcome.ts'

export type StoredAnswers = Readonly<Record<string, Answer>>

/**
 * What was answered by those that deliveries of a target had to wait for (see `answersOf`), by the deliveries'
 * messages. A delivery that nobody has answered for has none.
 */
export async function readAnswers(
  db: Db | Tx,
  target: string,
  deliveries: readonly { messageId: string; orderId: string }[],
): Promise<Map<string, StoredAnswers>> {
  if (deliveries.length === 0) return new Map()
  const messageIds = deliveries.map(({ messageId }) => messageId)
  const orderIds = deliveries.map(({ orderId }) => orderId)
  // Of one target's answers to several messages, the latest: of two members of one name, jsonb keeps the last.
  const { rows } = await sql<{ messageId: string; answers: StoredAnswers }>`
    select d.message_id as "messageId", jsonb_object_agg(b.target, a.answer order by b.position) as answers
      from orderwheel.deliveries d
      join orderwheel.deliveries b
        on b.order_id = d.order_id and b.state = 'delivered' and ${sinceOrders('b.message_id', orderIds)}
       and (b.message_id = d.message_id and b.target = any(d.after)
            or b.position < d.position and b.target = d.target)
      join orderwheel.delivery_attempts a
        on a.message_id = b.message_id and a.target = b.target and a.number = b.attempts
       and ${sinceOrders('a.message_id', orderIds)}
     where d.message_id = any(${messageIds}::uuid[]) and ${withinIds('d.message_id', messageIds)}
       and d.target = ${target} and a.answer is not null
     group by d.message_id`.execute(db)
  return new Map(rows.map(({ messageId, answers }) => [messageId, answers]))
}
