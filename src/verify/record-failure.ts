import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Claim } from './claim-verification.ts'

/** Writes down that a verification could not be finished, and why. A full one begins anew next time. */
export async function recordFailure(
  db: Db,
  { id }: Claim,
  { requestedBy, isFull, reason }: { requestedBy: string; isFull: boolean; reason: string },
): Promise<void> {
  await sql`
    with mine as (
      update orderwheel.verify_state set full_walk = null where claim = ${id} returning claim
    )
    insert into orderwheel.verifications (is_full, requested_by, started_at, failure)
    select ${isFull}, ${requestedBy}, now(), ${reason.slice(0, 2_000)} from mine`.execute(db)
}
