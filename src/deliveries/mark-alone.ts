import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'
import { calledAlone } from './suspects.ts'

/**
 * Writes down that a suspect is being called now, and by whom, before it is: when this worker dies, the next claim
 * knows whose call it was. False: it is not ours any more.
 */
export async function markAlone(
  db: Db,
  call: { target: string; worker: string; delivery: ClaimedDelivery },
): Promise<boolean> {
  const { target, worker, delivery } = call
  const { rows } = await sql`
    update orderwheel.deliveries
       set state = 'active', worker = ${worker}, started_at = now(),
           lost_in_a_row = ${calledAlone}, last_fetch = ${delivery.job.retryCount - 1}
     where message_id = ${delivery.messageId} and target = ${target}
       and state in ('queued', 'retrying', 'active') and attempts = ${delivery.attempt - 1}
    returning message_id`.execute(db)
  return rows.length > 0
}
