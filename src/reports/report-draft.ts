import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { ReportFormat } from '#messages/report-request.ts'

import type { Sum } from './sum-orders.ts'
import { deleteUselessChunks } from './useless-chunks.ts'

/** Bytes of every piece of a file but the last. */
export const chunkBytes = 262_144

/** One attempt at a report, and what names it: whoever begins another takes the report from it. */
export type Draft = {
  id: string
  attempt: string
  format: ReportFormat
  from: Date
  to: Date
  requestedAt: Date
}

/** Another attempt has begun, or the report was deleted or is gone: nothing more of this one is kept. */
export class LostDraft extends Error {
  constructor() {
    super('another attempt makes the report now')
  }
}

/**
 * Begins anew, and takes away what attempts before left. `made`, `deleted`: there is nothing to do. Undefined: no such report.
 */
export async function beginDraft(
  db: Db,
  id: string,
): Promise<Draft | 'made' | 'deleted' | undefined> {
  const { rows } = await sql<Draft>`
    update orderwheel.reports set attempt = gen_random_uuid(), begun_at = now(), orders = 0, bytes = 0, emptied_at = null
     where id = ${id}::uuid and made_at is null and deleted_at is null
    returning id, attempt, format, period_from as "from", period_to as "to", requested_at as "requestedAt"`.execute(
    db,
  )
  const [draft] = rows
  if (draft) {
    await deleteUselessChunks(db, id)
    return draft
  }
  const deleted = await isDeleted(db, id)
  return deleted === undefined ? undefined : deleted ? 'deleted' : 'made'
}

/** Undefined: no such report. */
export async function isDeleted(db: Db, id: string): Promise<boolean | undefined> {
  const { rows } = await sql<{ isDeleted: boolean }>`
    select deleted_at is not null as "isDeleted" from orderwheel.reports where id = ${id}::uuid`.execute(
    db,
  )
  return rows[0]?.isDeleted
}

/** Adds a piece, when the report is still this attempt's: its row is locked until the piece is there. Throws LostDraft. */
export async function addChunk(
  db: Db,
  { id, attempt }: Draft,
  { number, bytes, orders }: { number: number; bytes: Uint8Array; orders: number },
): Promise<void> {
  const { numAffectedRows = 0n } = await sql`
    with ours as (
      update orderwheel.reports set orders = ${orders}, bytes = bytes + ${bytes.length}
       where id = ${id}::uuid and attempt = ${attempt}::uuid and made_at is null
      returning id, attempt
    )
    insert into orderwheel.report_chunks (report_id, attempt, number, bytes)
    select id, attempt, ${number}::int, ${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)} from ours`.execute(
    db,
  )
  if (numAffectedRows === 0n) throw new LostDraft()
}

/** Makes it downloadable, for so many days. Throws LostDraft. */
export async function finishDraft(
  db: Db,
  { id, attempt }: Draft,
  made: { orders: number; sums: readonly Sum[]; digest: Buffer; keepDays: number },
): Promise<void> {
  const { numAffectedRows = 0n } = await sql`
    update orderwheel.reports
       set orders = ${made.orders}, sums = ${JSON.stringify(made.sums)}::jsonb, digest = ${made.digest},
           made_at = now(), expires_at = now() + make_interval(days => ${made.keepDays})
     where id = ${id}::uuid and attempt = ${attempt}::uuid and made_at is null`.execute(db)
  if (numAffectedRows === 0n) throw new LostDraft()
}
