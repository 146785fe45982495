import { sql } from 'kysely'

import { lostAfterSeconds } from '#base/lost-after.ts'
import type { Db } from '#database/open-database.ts'
import type { CircuitState, Priority } from '#database/tables.ts'
import type { Rate } from '#targets/target.ts'

import type { Pause } from './lock-pause.ts'
import type { Limits } from './set-limits.ts'
import { sheddingColumns, type SheddingReport } from './shedding-report.ts'

/** Whether a target is being called, and how much it may be: what all its workers share. */
export type TargetLimits = Limits &
  SheddingReport & {
    target: string
    kind: string
    priority: Priority
    configured: { concurrency: number; rate: Rate | null }
    circuit: CircuitReport
    paused: Pause | null
    /** Calls at a time that workers may make by now. */
    slotsInUse: number
  }

export type CircuitReport = {
  state: CircuitState
  since: Date
  reason: string | null
  /** When an open circuit is probed. */
  probeAt: Date | null
}

/** Every target that a process ever declared, by name. `at`: the database's time, by which to read the others. */
export async function readLimits(db: Db): Promise<{ at: Date; targets: TargetLimits[] }> {
  const { rows } = await sql<Row>`
    select now() as at, t.name as target, t.kind, t.priority,
           t.concurrency as "configuredConcurrency", t.concurrency_set as "concurrencySet",
           t.rate_max, t.rate_per_seconds, t.rate_set as "rateSet", t.rate_set_max, t.rate_set_per_seconds,
           t.circuit, t.circuit_since as "circuitSince", t.circuit_reason as "circuitReason",
           t.probe_at as "probeAt",
           t.paused_at is not null and coalesce(t.paused_until > now(), true) as "isPaused",
           t.paused_at as since, t.paused_by as by, t.pause_reason as reason, t.paused_until as until,
           ${sheddingColumns},
           coalesce((select sum(l.slots) from orderwheel.slot_leases l
                      where l.target = t.name and ${isHeld}), 0)::int as "slotsInUse"
      from orderwheel.targets t
      left join orderwheel.shedding s on s.target = t.name
     order by t.name`.execute(db)
  return { at: rows[0]?.at ?? new Date(), targets: rows.map(toLimits) }
}

/** Calls at a time that workers may make to a target by now; above its concurrency while a lower one takes effect. */
export async function leasedSlots(db: Db, target: string): Promise<number> {
  const { rows } = await sql<{ slots: number }>`
    select coalesce(sum(l.slots), 0)::int as slots from orderwheel.slot_leases l
     where l.target = ${target} and ${isHeld}`.execute(db)
  return rows[0]?.slots ?? 0
}

// A worker that was silent for this long begins no call any more; its lease is taken away by the next one.
const isHeld = sql`l.renewed_at > now() - make_interval(secs => ${lostAfterSeconds})`

type Row = Pick<
  TargetLimits,
  'target' | 'kind' | 'priority' | 'slotsInUse' | 'rateSet' | keyof SheddingReport
> & {
  at: Date
  configuredConcurrency: number
  concurrencySet: number | null
  rate_max: number | null
  rate_per_seconds: number | null
  rate_set_max: number | null
  rate_set_per_seconds: number | null
  circuit: CircuitState
  circuitSince: Date
  circuitReason: string | null
  probeAt: Date | null
  isPaused: boolean
  since: Date | null
  by: string | null
  reason: string | null
  until: Date | null
}

function toLimits(row: Row): TargetLimits {
  const { target, kind, priority, slotsInUse, rateSet, since, by, reason, until } = row
  const { shed, shedsSince, maxOpen } = row
  const configuredRate = rateOf(row.rate_max, row.rate_per_seconds)
  return {
    target,
    kind,
    priority,
    concurrency: row.concurrencySet ?? row.configuredConcurrency,
    concurrencySet: row.concurrencySet !== null,
    rate: rateSet ? rateOf(row.rate_set_max, row.rate_set_per_seconds) : configuredRate,
    rateSet,
    configured: { concurrency: row.configuredConcurrency, rate: configuredRate },
    circuit: {
      state: row.circuit,
      since: row.circuitSince,
      reason: row.circuitReason,
      probeAt: row.probeAt,
    },
    paused:
      row.isPaused && since ? { since, by: by ?? 'unknown', reason: reason ?? '', until } : null,
    slotsInUse,
    shed,
    shedsSince,
    maxOpen,
  }
}

function rateOf(max: number | null, perSeconds: number | null): Rate | null {
  return max === null || perSeconds === null ? null : { max, perSeconds }
}
