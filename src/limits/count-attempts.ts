import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Attempts of a target that ended since the last time they were written down. */
export type AttemptCount = { target: string; delivered: number; failed: number }

/** Adds a worker's counts to the present ten seconds. */
export async function countAttempts(
  db: Db,
  worker: string,
  counts: readonly AttemptCount[],
): Promise<void> {
  if (counts.length === 0) return
  await sql`
    insert into orderwheel.target_counts as c (target, period, worker, delivered, failed)
    select target, date_bin('10 seconds', now(), 'epoch'), ${worker}, delivered, failed
      from json_to_recordset(${JSON.stringify(counts)}::json) as n(target text, delivered int, failed int)
    on conflict (target, period, worker) do update
       set delivered = c.delivered + excluded.delivered, failed = c.failed + excluded.failed`.execute(
    db,
  )
}

/** How many deliveries each of these targets got in the last minute, as far as it is written down. */
export async function deliveredLastMinute(
  db: Db,
  targets: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await sql<{ target: string; delivered: number }>`
    select target, sum(delivered)::int as delivered from orderwheel.target_counts
     where target = any(${targets}::text[]) and period > now() - interval '1 minute'
     group by target`.execute(db)
  return new Map(rows.map((row) => [row.target, row.delivered]))
}

/** Forgets counts older than an hour. */
export async function forgetOldCounts(db: Db): Promise<void> {
  await sql`delete from orderwheel.target_counts where period < now() - interval '1 hour'`.execute(
    db,
  )
}
