import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

import { deleteUselessChunks } from './useless-chunks.ts'

export type Deletion = {
  /** A UUID. */
  id: string
  /** The API key or the operator, for the audit log. */
  who: string
  /** At most 1 000 characters. */
  reason: string | null
}

/**
 * Deletes a report's file, at once; its row stays as long as it would have. One that is not made yet is made no more: its worker
 * stops at the next piece. `before`: it was deleted before. Undefined: there is none.
 */
export async function deleteReport(
  db: Db,
  deletion: Deletion,
): Promise<'now' | 'before' | undefined> {
  const deleted = await db.transaction().execute((tx) => mark(tx, deletion))
  // Also of one that was deleted before: that may have been cut off.
  if (deleted !== undefined) await deleteUselessChunks(db, deletion.id)
  return deleted
}

// An attempt that is under way is taken from it: whoever makes it can add no piece, and none is added after this commits.
async function mark(tx: Tx, { id, who, reason }: Deletion): Promise<'now' | 'before' | undefined> {
  const { rows } = await sql<object>`
    update orderwheel.reports r
       set deleted_at = now(),
           attempt = case when r.made_at is not null then r.attempt end,
           begun_at = case when r.made_at is not null then r.begun_at end
     where r.id = ${id}::uuid and r.deleted_at is null
    returning r.requested_by as "requestedBy", r.format, r.period_from as from, r.period_to as to,
              r.made_at as "madeAt", r.orders::float8 as orders, r.bytes::float8 as bytes`.execute(
    tx,
  )
  const [details] = rows
  if (!details) {
    const { rows: known } = await sql`
      select from orderwheel.reports where id = ${id}::uuid`.execute(tx)
    return known.length > 0 ? 'before' : undefined
  }
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: 'report.deleted',
      subject: id,
      reason,
      details: JSON.stringify(details),
    })
    .execute()
  return 'now'
}
