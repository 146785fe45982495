import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/**
 * Moves what has happened and what the engine waits for back by so many seconds: jobs, probes, pauses, booked
 * calls. Without `seconds`, every job is due now. Signs of life stay as they are: workers go on.
 */
export async function letTimePass(db: Db, seconds?: number): Promise<void> {
  if (seconds === undefined) {
    await sql`update pgboss.job set start_after = now() where state < 'active'`.execute(db)
    return
  }
  const passed = sql`make_interval(secs => ${seconds})`
  await db.transaction().execute(async (tx) => {
    await sql`
      update orderwheel.targets
         set circuit_since = circuit_since - ${passed}, probe_at = probe_at - ${passed},
             window_since = window_since - ${passed}, paused_at = paused_at - ${passed},
             paused_until = paused_until - ${passed}, next_call_at = next_call_at - ${passed}`.execute(
      tx,
    )
    await sql`update orderwheel.target_changes set at = at - ${passed}`.execute(tx)
    await sql`update orderwheel.delivery_attempts set started_at = started_at - ${passed}`.execute(
      tx,
    )
    await sql`update pgboss.job set start_after = start_after - ${passed} where state < 'active'`.execute(
      tx,
    )
  })
}
