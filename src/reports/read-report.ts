import { type RawBuilder, sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'
import type { ReportFormat } from '#messages/report-request.ts'
import { reportsTargetName } from '#targets/reports-target.ts'

import type { Sum } from './sum-orders.ts'

export const reportStates = [
  'waiting',
  'making',
  'retrying',
  'ready',
  'failed',
  'expired',
  'deleted',
] as const

/** `failed`: a person decides what becomes of it, a dead letter; or has decided that it is not made. */
export type ReportState = (typeof reportStates)[number]

export type Report = {
  id: string
  kind: 'orders'
  format: ReportFormat
  from: Date
  to: Date
  state: ReportState
  requestedAt: Date
  requestedBy: string
  /** While it is being made, how far it has come. */
  orders: number
  bytes: number
  /** Null until it is made, as are `madeAt` and `expiresAt`. */
  sums: Sum[] | null
  madeAt: Date | null
  expiresAt: Date | null
  /** Null: it was not. Its file is gone. */
  deletedAt: Date | null
  /** Why making it failed last; null: it did not. */
  reason: string | null
  /** SHA-256 of the file, in hexadecimal digits. */
  digest: string | null
  /** Whose chunks are the file. */
  attempt: string | null
}

/** Undefined: there is none, or it expired long ago. `id` must be a UUID. */
export async function readReport(db: Db, id: string): Promise<Report | undefined> {
  const [report] = await select(db, sql`where r.id = ${id}::uuid`)
  return report
}

/** So many of those that were asked for before the report `before`, or of all; the latest first, as their ids are. */
export function readReports(
  db: Db,
  { limit, before }: { limit: number; before?: string | undefined },
): Promise<Report[]> {
  const earlier = before === undefined ? sql`` : sql`where r.id < ${before}::uuid`
  return select(db, sql`${earlier} order by r.id desc limit ${limit}`)
}

async function select(db: Db, which: RawBuilder<unknown>): Promise<Report[]> {
  const { rows } = await sql<Row>`
    select r.id, r.kind, r.format, r.period_from as "from", r.period_to as "to", r.requested_at as "requestedAt",
           r.requested_by as "requestedBy", r.orders::float8 as orders, r.bytes::float8 as bytes, r.sums,
           r.made_at as "madeAt", r.expires_at as "expiresAt", r.expires_at <= now() as "isExpired", r.deleted_at as "deletedAt",
           encode(r.digest, 'hex') as digest, r.attempt, d.state as delivery,
           exists (select from orderwheel.outbox b where b.id = r.id and b.kind not like 'order.%') as "isUnrelayed",
           case when d.state <> 'delivered' then
             (select a.reason from orderwheel.delivery_attempts a
               where a.message_id = r.id and a.target = d.target and a.number = d.attempts) end as reason
      from orderwheel.reports r
      left join orderwheel.deliveries d on d.message_id = r.id and d.target = ${reportsTargetName}
     ${which}`.execute(db)
  return rows.map((row) => {
    const { isExpired: _, isUnrelayed: __, delivery: ___, ...report } = row
    return { ...report, state: stateOf(row) }
  })
}

type Row = Omit<Report, 'state'> & {
  isExpired: boolean | null
  isUnrelayed: boolean
  delivery: DeliveryState | null
}

// What is made is ready before its delivery is settled, and stays so whatever becomes of its history.
function stateOf({ deletedAt, madeAt, isExpired, isUnrelayed, delivery }: Row): ReportState {
  if (deletedAt !== null) return 'deleted'
  if (madeAt !== null) return isExpired ? 'expired' : 'ready'
  if (delivery === null) return isUnrelayed ? 'waiting' : 'failed'
  return progressOf[delivery]
}

const progressOf: Record<DeliveryState, ReportState> = {
  waiting: 'waiting',
  queued: 'waiting',
  active: 'making',
  retrying: 'retrying',
  delivered: 'failed',
  dead: 'failed',
  uncertain: 'failed',
  shed: 'failed',
  skipped: 'failed',
  cancelled: 'failed',
}
