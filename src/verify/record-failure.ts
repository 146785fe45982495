import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Claim } from './claim-verification.ts'

/**
 * Writes down that a verification could not be finished, and why. A full one begins anew next time, as if asked for;
 * one of what is new leaves a full one that is under way as far as it has come.
 */
export async function recordFailure(
  db: Db,
  { id }: Claim,
  { requestedBy, isFull, reason }: { requestedBy: string; isFull: boolean; reason: string },
): Promise<void> {
  await sql`
    with mine as (
      select claim from orderwheel.verify_state where claim = ${id} for update
    ), begun_anew as (
      update orderwheel.verify_state s
         set full_walk = null, request_full = true, requested_at = coalesce(s.requested_at, now()),
             requested_by = coalesce(s.requested_by, s.full_walk->>'requestedBy')
        from mine
       where ${isFull} and s.claim = ${id} and s.full_walk is not null
    )
    insert into orderwheel.verifications (is_full, requested_by, started_at, failure)
    select ${isFull}, ${requestedBy}, now(), ${reason.slice(0, 2_000)} from mine`.execute(db)
}
