import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { Pause } from '#limits/lock-pause.ts'
import type { CircuitReport } from '#limits/read-limits.ts'
import { deliveredLastMinute } from '#limits/count-attempts.ts'

export type Status = {
  /** The database's time, by which the others are to be read. */
  at: Date
  relay: {
    /** Messages not yet relayed. */
    waiting: number
    /** Of those, the ones the relay could not relay: a person should look. */
    refused: number
    /** Age of the oldest; null when there is none. */
    oldestSeconds: number | null
  }
  targets: TargetStatus[]
}

export type TargetStatus = {
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
  circuit: CircuitReport
  /** Null: an operator did not pause it, or its pause is over. */
  paused: Omit<Pause, 'since'> | null
}

/**
 * What is open, per target, and how far behind the relay is. Reads open rows and the last minute only, whatever
 * the history's size.
 */
export async function readStatus(db: Db): Promise<Status> {
  const relay = await sql<Status['relay'] & { at: Date }>`
    select count(*)::int as waiting, count(*) filter (where refusals > 0)::int as refused,
           extract(epoch from now() - min(created_at))::float8 as "oldestSeconds", now() as at
      from orderwheel.outbox`.execute(db)
  const targets = await sql<Row>`
    select target, waiting::int, queued::int, active::int, retrying::int,
           extract(epoch from now() - oldest_open)::float8 as "oldestSeconds",
           dead_letters::int as "deadLetters",
           circuit, circuit_since as since, circuit_reason as reason, probe_at as "probeAt",
           paused, paused_by as by, pause_reason as "pauseReason", paused_until as until
      from orderwheel.target_health
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

const nothing = { at: new Date(0), waiting: 0, refused: 0, oldestSeconds: null }

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
