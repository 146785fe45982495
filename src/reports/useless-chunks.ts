import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Whoever began to download a file before it expired may be slow. */
export const keptAfterExpiry = sql`interval '1 hour'`

// 16 MiB: a transaction of a moment.
const chunksAtATime = 64

/**
 * Deletes the pieces of a report that count for nothing, some at a time: those of other attempts than its own, and all when it was
 * deleted, or expired longer ago than `keptAfterExpiry`. Answers how many.
 *
 * Which attempt is the report's own is read with the pieces, by one statement: somebody who was frozen in between must not
 * delete those of an attempt that began meanwhile.
 */
export async function deleteUselessChunks(db: Db, id: string): Promise<number> {
  for (let deleted = 0; ;) {
    const { numAffectedRows = 0n } = await sql`
      delete from orderwheel.report_chunks
       where (report_id, attempt, number) in (
         select c.report_id, c.attempt, c.number
           from orderwheel.reports r join orderwheel.report_chunks c on c.report_id = r.id
          where r.id = ${id}::uuid
            and (c.attempt is distinct from r.attempt or r.deleted_at is not null
                 or r.expires_at < now() - ${keptAfterExpiry})
          limit ${chunksAtATime})`.execute(db)
    deleted += Number(numAffectedRows)
    if (numAffectedRows < chunksAtATime) return deleted
  }
}
