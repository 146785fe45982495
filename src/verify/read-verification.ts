import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { FindingCounts, NamedFinding } from './finding.ts'

/** What a verification came to. */
export type Verification = {
  lost: number
  stuck: number
  disorders: number
  /** Orders looked at; the others in `checkedRows`. */
  checked: number
  checkedRows: { orders: number; messages: number; deliveries: number; jobs: number }
  checkedAt: Date
  seconds: number
  /** Whether it looked at everything, or at what is open or came since the one before. */
  full: boolean
  requestedBy: string
  /** Findings by kind, all of them. */
  counts: FindingCounts
  /** The first 1 000. */
  findings: NamedFinding[]
}

/** The last verification that was finished; undefined: there was none yet. */
export async function readLastVerification(db: Db): Promise<Verification | undefined> {
  const row = await read(db)
    .where('failure', 'is', null)
    // A clock that was ahead would hide those of hours to come.
    .where('finished_at', '<=', sql<Date>`now()`)
    .orderBy('finished_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && toVerification(row)
}

export async function readVerification(db: Db, id: string): Promise<Verification> {
  return toVerification(await read(db).where('id', '=', id).executeTakeFirstOrThrow())
}

function read(db: Db) {
  return db.selectFrom('orderwheel.verifications').selectAll()
}

type Row = Awaited<ReturnType<ReturnType<typeof read>['executeTakeFirstOrThrow']>>

function toVerification(row: Row): Verification {
  const { lost, stuck, disorders, is_full: full, requested_by: requestedBy } = row
  return {
    lost,
    stuck,
    disorders,
    checked: Number(row.orders),
    checkedRows: {
      orders: Number(row.orders),
      messages: Number(row.messages),
      deliveries: Number(row.deliveries),
      jobs: Number(row.jobs),
    },
    checkedAt: row.finished_at,
    seconds: (row.finished_at.getTime() - row.started_at.getTime()) / 1_000,
    full,
    requestedBy,
    counts: row.counts as FindingCounts,
    findings: row.findings as NamedFinding[],
  }
}
