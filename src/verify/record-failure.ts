import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Claim } from './claim-verification.ts'

/** Writes down that a verification could not be finished, and why. A full one begins anew next time, as if asked for. */
export async function recordFailure(
  db: Db,
  { id }: Claim,
  { requestedBy, isFull, reason }: { requestedBy: string; isFull: boolean; reason: string },
): Promise<void> {
  await sql`
    with mine as (
      update orderwheel.verify_state
         set full_walk = null, request_full = request_full or full_walk is not null,
             requested_at = coalesce(requested_at, case when full_walk is not null then now() end),
             requested_by = coalesce(requested_by, full_walk->>'requestedBy')
       where claim = ${id}
      returning claim
    )
    insert into orderwheel.verifications (is_full, requested_by, started_at, failure)
    select ${isFull}, ${requestedBy}, now(), ${reason.slice(0, 2_000)} from mine`.execute(db)
}
