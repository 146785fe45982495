import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'

/**
 * Writes down that a target may have been told, before it is: when this worker dies, the next claim knows whether there
 * was a call. False: the delivery is not ours any more; what a later fetch wrote down stays, whoever was frozen meanwhile.
 */
export async function announceCall(
  db: Db,
  call: { target: string; delivery: Pick<ClaimedDelivery, 'messageId' | 'attempt' | 'job'> },
): Promise<boolean> {
  const { messageId, attempt, job } = call.delivery
  const before = job.retryCount - 1
  const { rows } = await sql`
    update orderwheel.deliveries
       set ask_first = true, last_fetch = ${before}
     where message_id = ${messageId}::uuid and target = ${call.target}
       and settled_at is null and attempts = ${attempt - 1} and last_fetch <= ${before}
    returning message_id`.execute(db)
  return rows.length > 0
}
