import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { targetQueues } from './check-jobs.ts'
import { firstId, idAt } from './chunk.ts'
import type { Finding, FindingCounts } from './finding.ts'
import { knownWatermark } from './known-watermark.ts'

/** What a verification looks at, in this order. */
export const phases = [
  'outbox',
  'open',
  'orders',
  'messages',
  'pending',
  'jobs',
  'letters',
  'lateness',
  'done',
] as const

export type Phase = (typeof phases)[number]

/**
 * A verification under way: how far it has come, and what it has come to. Plain JSON, so that a long one can be put
 * down and taken up by another process.
 */
export type Walk = {
  isFull: boolean
  requestedBy: string
  /** ISO 8601, by the database. */
  startedAt: string
  /** Orders and messages with ids up to this one are looked at only when they are pending; null: never looked at. */
  watermark: string | null
  /** Where walks begin: the watermark, or where history does. */
  after: string
  /** The next watermark: late enough that whatever commits with a lower id has been seen. */
  upTo: string
  queues: string[]
  phase: Phase
  /** How far the phase has come; null: it begins. */
  place: string | null
  checked: { orders: number; messages: number; deliveries: number; jobs: number }
  counts: FindingCounts
  /** The first `keptFindings`. */
  findings: Finding[]
}

/** More than a person reads; their numbers are counted in full. */
export const keptFindings = 1_000

/** A walk that has not begun. It is full when nothing was ever looked at, or nobody knows up to where. */
export async function beginWalk(
  db: Db,
  { isFull, requestedBy }: { isFull: boolean; requestedBy: string },
): Promise<Walk> {
  const { rows } = await sql<{ startedAt: string; upTo: string; watermark: string; begin: string }>`
    select to_json(now()) as "startedAt", ${idAt(sql`now() - ${committedWithin}`)} as "upTo", ${knownWatermark} as watermark,
           coalesce(${idAt(sql`orderwheel.history_since()`)}, ${firstId}::uuid) as begin
      from orderwheel.verify_state`.execute(db)
  const [now] = rows
  if (!now)
    throw new Error('orderwheel.verify_state has lost its row: insert it with default values.')
  const { startedAt, upTo, watermark, begin } = now
  return {
    isFull: isFull || watermark === null,
    requestedBy,
    startedAt,
    watermark,
    after: isFull || watermark === null || watermark < begin ? begin : watermark,
    upTo,
    queues: await targetQueues(db),
    phase: 'outbox',
    place: null,
    checked: { orders: 0, messages: 0, deliveries: 0, jobs: 0 },
    counts: {},
    findings: [],
  }
}

// Ids are given when a row is written, and are seen when it is committed. Our statements end within 30 s, and our
// transactions do not idle for more than 15 s. What comes later than that is seen by the daily full verification.
const committedWithin = sql`interval '2 minutes'`
