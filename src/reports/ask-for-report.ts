import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { reportRequested, type ReportFormat, type ReportRequest } from '#messages/report-request.ts'
import { addMessage } from '#outbox/add-message.ts'
import { reportsTargetName } from '#targets/reports-target.ts'

import { type Period, receivedWithin } from './received-within.ts'

export type WantedReport = Period & { format: ReportFormat }

/** The API key that asks. */
export type Asker = { id: string; name: string }

export type AskedReport =
  | { kind: 'asked'; id: string; requestedAt: string }
  /** The period ends later than now. */
  | { kind: 'not-over' }
  | { kind: 'too-many-waiting' }
  /** The files of this key's reports take more than `mostKeptBytes` already. */
  | { kind: 'too-much-kept' }
  /** There are more than `mostInPdf` orders in it. */
  | { kind: 'too-long-for-pdf' }

/** Reports that one key may have asked for and not got yet. */
export const mostWaiting = 5

/** Bytes that the files of one key's reports may take when it asks for another: 1 GiB, some five million orders. */
export const mostKeptBytes = 1_073_741_824

/** Orders of a PDF: a thousand pages, which nobody reads, but many print. */
export const mostInPdf = 50_000

/** Asks for a report: its row, and the message whose delivery is the making of it. */
export async function askForReport(
  tx: Tx,
  wanted: WantedReport,
  asker: Asker,
): Promise<AskedReport> {
  const { from, to, format } = wanted
  if (!(await isOver(tx, to))) return { kind: 'not-over' }
  await takeTurn(tx, asker)
  if ((await countWaiting(tx, asker)) >= mostWaiting) return { kind: 'too-many-waiting' }
  if ((await countKeptBytes(tx, asker)) >= mostKeptBytes) return { kind: 'too-much-kept' }
  // The last, since it is dear.
  if (format === 'pdf' && (await isTooLongForPdf(tx, wanted))) return { kind: 'too-long-for-pdf' }
  const payload: ReportRequest = {
    kind: 'orders',
    format,
    from: from.toISOString(),
    to: to.toISOString(),
  }
  const { id, createdAt } = await addMessage(tx, { orderId: null, kind: reportRequested, payload })
  await sql`
    insert into orderwheel.reports (id, api_key_id, requested_by, kind, format, period_from, period_to)
    values (${id}, ${asker.id}, ${asker.name}, 'orders', ${format}, ${from}, ${to})`.execute(tx)
  return { kind: 'asked', id, requestedAt: createdAt }
}

async function isOver(tx: Tx, to: Date): Promise<boolean> {
  const { rows } = await sql<{ over: boolean }>`select ${to}::timestamptz <= now() as over`.execute(
    tx,
  )
  return rows[0]?.over ?? false
}

async function isTooLongForPdf(tx: Tx, period: Period): Promise<boolean> {
  const { rows } = await sql<{ orders: number }>`
    select count(*)::int as orders
      from (select from orderwheel.orders o where ${receivedWithin(period)} limit ${mostInPdf + 1}) o`.execute(
    tx,
  )
  return (rows[0]?.orders ?? 0) > mostInPdf
}

// One request of a key after the other, until each commits: two at once must not both be the last that is taken.
async function takeTurn(tx: Tx, { id }: Asker): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('orderwheel.reports'), hashtext(${id}))`.execute(
    tx,
  )
}

// One that was deleted counts until a worker has seen that: its message and its delivery are there as long.
async function countWaiting(tx: Tx, { id }: Asker): Promise<number> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*)::int as waiting from orderwheel.reports r
     where r.api_key_id = ${id} and r.expires_at is null and r.emptied_at is null
       and (exists (select from orderwheel.outbox b where b.id = r.id and b.kind not like 'order.%')
            or exists (select from orderwheel.deliveries d
                        where d.message_id = r.id and d.target = ${reportsTargetName} and d.settled_at is null))`.execute(
    tx,
  )
  return rows[0]?.waiting ?? 0
}

async function countKeptBytes(tx: Tx, { id }: Asker): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select coalesce(sum(r.bytes), 0)::float8 as bytes from orderwheel.reports r
     where r.api_key_id = ${id} and (r.expires_at is null or r.expires_at > now())
       and r.deleted_at is null and r.emptied_at is null`.execute(tx)
  return rows[0]?.bytes ?? 0
}
