import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { Pause } from '#limits/lock-pause.ts'
import type { CircuitReport } from '#limits/read-limits.ts'
import { sheddingColumns, type SheddingReport } from '#limits/shedding-report.ts'
import { deliveredLastMinute } from '#limits/count-attempts.ts'

export type Status = {
  /** The database's time, by which the others are to be read. */
  at: Date
  relay: {
    /** Messages not yet relayed. */
    waiting: number
    /** Whether `waiting` is an estimate: it is exact up to 10 000. */
    isEstimated: boolean
    /** Of those, the ones the relay could not relay, counted up to 10 001: a person should look. */
    refused: number
    /** Age of the oldest; null when there is none. */
    oldestSeconds: number | null
  }
  targets: TargetStatus[]
}

export type TargetStatus = SheddingReport & {
  target: string
  waiting: number
  queued: number
  active: number
  retrying: number
  /** In the last minute. */
  deliveredPerMinute: number
  /** Age of the oldest open delivery; null when there is none. */
  oldestSeconds: number | null
  deadLetters: number
  /** How good the four counts above of what is open are, and that of dead letters: exact up to 10 000. */
  openCounts: Precision
  deadLetterCounts: Precision
  circuit: CircuitReport
  /** Null: an operator did not pause it, or its pause is over. */
  paused: Omit<Pause, 'since'> | null
}

/** `estimated`: what a worker counted up to 10 minutes ago; `at-least`: too many to count, and none has counted. */
export type Precision = 'exact' | 'estimated' | 'at-least'

/**
 * What is open, per target, and how far behind the relay is. Takes tens of milliseconds, whatever the history's and
 * the backlogs' size.
 */
export async function readStatus(db: Db): Promise<Status> {
  const relay = await sql<Status['relay'] & { at: Date }>`${howFarBehind}`.execute(db)
  const targets = await sql<Row>`
    select target, waiting::int, queued::int, active::int, retrying::int,
           extract(epoch from now() - oldest_open)::float8 as "oldestSeconds",
           dead_letters::int as "deadLetters",
           circuit, circuit_since as since, circuit_reason as reason, probe_at as "probeAt",
           paused, paused_by as by, pause_reason as "pauseReason", paused_until as until,
           ${sheddingColumns},
           ${precision('open_estimated')} as "openCounts",
           ${precision('dead_letters_estimated')} as "deadLetterCounts"
      from orderwheel.target_health
      left join orderwheel.shedding s using (target)
     order by target`.execute(db)
  const names = targets.rows.map((row) => row.target)
  const delivered = await deliveredLastMinute(db, names)
  const { at, ...behind } = relay.rows[0] ?? nothing
  return {
    at,
    relay: behind,
    targets: targets.rows.map((row) => toStatus(row, delivered.get(row.target) ?? 0)),
  }
}

// More than 10 000 are not counted: messages leave at the front and come at the end, so that their positions say how
// many lie in between, give or take those that were rolled back.
const howFarBehind = sql`
  select case when first.count > 10000 then greatest(first.count, ends.between) else first.count end::int as waiting,
         first.count > 10000 as "isEstimated", refused.count::int as refused,
         extract(epoch from now() - first.since)::float8 as "oldestSeconds", now() as at
    from (select count(*), min(created_at) as since
            from (select created_at from orderwheel.outbox order by position limit 10001) o) first,
         (select count(*) from (select from orderwheel.outbox where try_after < 'infinity' limit 10001) o) refused,
         (select (select position from orderwheel.outbox order by position desc limit 1)
               - (select position from orderwheel.outbox where try_after is null order by position limit 1)
               + 1 as between) ends`

function precision(isEstimated: string) {
  return sql<Precision>`
    case when not ${sql.ref(isEstimated)} then 'exact' when counted_at is null then 'at-least' else 'estimated' end`
}

const nothing = { at: new Date(0), waiting: 0, isEstimated: false, refused: 0, oldestSeconds: null }

type Row = Omit<TargetStatus, 'deliveredPerMinute' | 'circuit' | 'paused'> & {
  circuit: CircuitReport['state']
  since: Date
  reason: string | null
  probeAt: Date | null
  paused: boolean
  by: string | null
  pauseReason: string | null
  until: Date | null
}

function toStatus(row: Row, deliveredPerMinute: number): TargetStatus {
  const { circuit, since, reason, probeAt, paused, by, pauseReason, until, ...counts } = row
  return {
    ...counts,
    deliveredPerMinute,
    circuit: { state: circuit, since, reason, probeAt },
    paused: paused ? { by: by ?? 'unknown', reason: pauseReason ?? '', until } : null,
  }
}
