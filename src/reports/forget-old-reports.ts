import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { deleteChunks } from './report-draft.ts'

// Whoever began to download it in time may be slow.
const grace = sql`interval '1 hour'`
// For so long, who asks for it hears that it expired.
const remembered = sql`interval '90 days'`

/** Deletes the files of reports that expired, and forgets those of long ago. Answers how many files were deleted. */
export async function forgetOldReports(db: Db, signal: AbortSignal): Promise<number> {
  const { rows: expired } = await sql<{ id: string }>`
    select r.id from orderwheel.reports r
     where (r.expires_at < now() - ${grace} or ${wasGivenUp})
       and exists (select from orderwheel.report_chunks c where c.report_id = r.id)
     order by r.expires_at limit 1000`.execute(db)
  for (const { id } of expired) if (!signal.aborted) await deleteChunks(db, { id })
  await deleteDebris(db, signal)
  await sql`
    delete from orderwheel.reports r
     where (r.expires_at < now() - ${remembered} or r.requested_at < now() - ${remembered} and ${wasGivenUp})
       and not exists (select from orderwheel.report_chunks c where c.report_id = r.id)`.execute(db)
  return expired.length
}

// Nobody is going to make it: nothing of it is on its way, and no dead letter waits for a person.
const wasGivenUp = sql`(r.made_at is null
  and r.requested_at < now() - interval '1 day'
  and not exists (select from orderwheel.outbox b where b.id = r.id and b.kind not like 'order.%')
  and not exists (select from orderwheel.deliveries d where d.message_id = r.id and d.settled_at is null)
  and not exists (select from orderwheel.dead_letters l where l.message_id = r.id and l.resolved_at is null))`

// What an attempt that was cut off left behind, of a report that another made. Below and above the attempt that made it: two
// looks into the index for each report, while `<>` would walk over all pieces of every file that is kept.
async function deleteDebris(db: Db, signal: AbortSignal): Promise<void> {
  const { rows } = await sql<{ id: string; attempt: string }>`
    select r.id, r.attempt from orderwheel.reports r
     where r.made_at is not null
       and (exists (select from orderwheel.report_chunks c where c.report_id = r.id and c.attempt < r.attempt)
            or exists (select from orderwheel.report_chunks c where c.report_id = r.id and c.attempt > r.attempt))
     limit 1000`.execute(db)
  for (const { id, attempt } of rows)
    if (!signal.aborted) await deleteChunks(db, { id, but: attempt })
}
