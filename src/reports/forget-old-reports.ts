import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { deleteUselessChunks, keptAfterExpiry } from './useless-chunks.ts'

/**
 * Deletes what is left of reports that expired, were deleted or are made no more, and forgets those of long ago. Looks only at
 * those. Answers of how many it deleted something.
 */
export async function forgetOldReports(db: Db, signal: AbortSignal): Promise<number> {
  const ids = [...(await findOver(db)), ...(await giveUpOld(db))]
  let emptied = 0
  for (const id of ids) {
    if (signal.aborted) return emptied
    if ((await deleteUselessChunks(db, id)) > 0) emptied += 1
  }
  await markEmptied(db, ids)
  await sql`
    delete from orderwheel.reports r
     where r.emptied_at is not null
       and coalesce(r.expires_at, r.requested_at) < now() - interval '90 days'`.execute(db)
  return emptied
}

// A pass of some seconds; the next one takes the rest.
const reportsAtATime = 1_000

// Of one that was deleted, something is left when that was cut off.
async function findOver(db: Db): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select r.id from orderwheel.reports r
     where r.emptied_at is null and least(r.deleted_at, r.expires_at) < now() - ${keptAfterExpiry}
     order by least(r.deleted_at, r.expires_at) limit ${reportsAtATime}`.execute(db)
  return rows.map(({ id }) => id)
}

// Nobody is going to make it: nothing of it is on its way, and no dead letter waits for a person. Its attempt is taken from
// it, so that its pieces count for nothing; whoever makes it after all begins another, whose pieces do.
async function giveUpOld(db: Db): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    update orderwheel.reports r set attempt = null, begun_at = null
     where r.id = any(array(
       select r.id from orderwheel.reports r
        where r.emptied_at is null and least(r.deleted_at, r.expires_at) is null
          and r.requested_at < now() - interval '1 day'
          and not exists (select from orderwheel.outbox b where b.id = r.id and b.kind not like 'order.%')
          and not exists (select from orderwheel.deliveries d where d.message_id = r.id and d.settled_at is null)
          and not exists (select from orderwheel.dead_letters l where l.message_id = r.id and l.resolved_at is null)
        limit ${reportsAtATime}))
       and r.made_at is null
    returning r.id`.execute(db)
  return rows.map(({ id }) => id)
}

// Not while it is on its way to be made, for which it counts; nor when somebody began it anew meanwhile, nor when another pass, cut off since, was still deleting what this one left to it.
async function markEmptied(db: Db, ids: readonly string[]): Promise<void> {
  await sql`
    update orderwheel.reports r set emptied_at = now()
     where r.id = any(${ids}::uuid[]) and (r.made_at is not null
            or (r.attempt is null or r.deleted_at is not null)
               and not exists (select from orderwheel.outbox b where b.id = r.id and b.kind not like 'order.%')
               and not exists (select from orderwheel.deliveries d where d.message_id = r.id and d.settled_at is null))
       and not exists (select from orderwheel.report_chunks c where c.report_id = r.id)`.execute(db)
}
