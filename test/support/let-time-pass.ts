import { type RawBuilder, sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/**
 * Moves what has happened and what the engine waits for back by so many seconds: jobs, probes, pauses, booked
 * calls. Without `seconds`, every job is due now. Signs of life stay as they are: workers go on.
 */
export async function letTimePass(db: Db, seconds?: number): Promise<void> {
  if (seconds === undefined) {
    await startJobsAt(db, sql`now()`)
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
    await startJobsAt(tx, sql`j.start_after - ${passed}`)
  })
}

// Waits for nobody: jobs are locked here in whatever order they lie in, and a worker's transaction that settles
// some of them would form a deadlock with this one. A job that is locked is being claimed and needs no time.
async function startJobsAt(db: Db, time: RawBuilder<unknown>): Promise<void> {
  await sql`
    with free as materialized (
      select name, id from pgboss.job where state < 'active' for update skip locked
    )
    update pgboss.job j set start_after = ${time}
      from free f
     where j.name = f.name and j.id = f.id and j.state < 'active'`.execute(db)
}
