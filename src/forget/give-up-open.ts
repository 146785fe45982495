import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import { dropJobs, hasJob } from '#queues/drop-jobs.ts'

/**
 * Gives up on what an order still has to tell, as skipping each would, so that nobody is told what is left of it.
 * Jobs go first: a call that is under way ends, and finds that it may write nothing down. False: an earlier call ended
 * meanwhile and gave others their jobs; roll back and try again.
 */
export async function giveUpOpen(
  tx: Tx,
  { orderId, who }: { orderId: string; who: string },
): Promise<boolean> {
  await dropJobs(tx, await readUndone(tx, orderId))
  await sql`select from orderwheel.deliveries
             where order_id = ${orderId} and ${sinceOrders('message_id', [orderId])}
             order by message_id, target for update`.execute(tx)
  const undone = await readUndone(tx, orderId)
  if (await hasJob(tx, undone)) return false
  await sql`
    with skipped as (
      update orderwheel.deliveries
         set state = 'skipped', settled_at = now(), edited = null
       where order_id = ${orderId} and ${sinceOrders('message_id', [orderId])} and ${isUndone}
      returning message_id, target, order_id, old.state as before
    ), closed as (
      update orderwheel.dead_letters
         set resolution = 'discarded', resolved_at = now(), resolved_by = ${who}, comment = ${why}
       where order_id = ${orderId} and resolved_at is null
    )
    insert into orderwheel.audit_log (who, action, subject, reason, details)
    select ${who}, 'delivery.skipped', order_id, ${why},
           jsonb_build_object('target', target, 'messageId', message_id, 'before', before, 'after', 'skipped', 'released', '[]'::jsonb)
      from skipped`.execute(tx)
  return true
}

const why = 'personal data forgotten'

const isUndone = sql`(settled_at is null or state in ('dead', 'uncertain'))`

async function readUndone(tx: Tx, orderId: string): Promise<{ queue: string; id: string }[]> {
  const { rows } = await sql<{ queue: string; id: string }>`
    select target as queue, message_id as id from orderwheel.deliveries
     where order_id = ${orderId} and ${sinceOrders('message_id', [orderId])} and ${isUndone}`.execute(
    tx,
  )
  return rows
}
