import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { CircuitState } from '#database/tables.ts'
import { isSilent } from '#limits/reap-leases.ts'
import { lostAfterSeconds } from '#base/lost-after.ts'
import { hasDueJob, hasLostJob } from '#queues/jobs.ts'
import type { Rate } from '#targets/target.ts'

/** What a worker has to know of a target before it claims anything. */
export type TargetView = {
  name: string
  /** Jobs that are due: those never fetched, and the others. */
  dueNew: boolean
  dueRetry: boolean
  circuit: CircuitState
  epoch: number
  /** See isClean. */
  clean: boolean
  /** An open circuit may be probed. */
  probeDue: boolean
  paused: boolean
  /** A worker that is silent holds jobs or slots. */
  hasLost: boolean
  concurrency: number
  rate: Rate | null
  /** The server's clock, in milliseconds. */
  serverMs: number
}

/** One query for a whole worker, however many targets and slots it has. */
export async function lookAround(db: Db, targets: readonly string[]): Promise<TargetView[]> {
  const { rows } = await sql<Omit<TargetView, 'epoch'> & { epoch: string }>`
    select name, ${hasDueJob(sql.ref('t.name'), 'created')} as "dueNew",
           ${hasDueJob(sql.ref('t.name'), 'retry')} as "dueRetry",
           circuit, circuit_epoch as epoch,
           circuit = 'closed' and failed_in_a_row = 0 and window_failed = 0 as clean,
           circuit = 'open' and (probe_at <= now() or circuit_since > clock_timestamp()) as "probeDue",
           paused_at is not null and coalesce(paused_until > now(), true) as paused,
           ${hasLostJob(sql.ref('t.name'))} or exists (
             select from orderwheel.slot_leases l
              where l.target = t.name and ${isSilent(lostAfterSeconds)}) as "hasLost",
           coalesce(concurrency_set, concurrency) as concurrency,
           extract(epoch from clock_timestamp())::float8 * 1000 as "serverMs",
           case when rate_set then json_build_object('max', rate_set_max, 'perSeconds', rate_set_per_seconds)
                else json_build_object('max', rate_max, 'perSeconds', rate_per_seconds) end as rate
      from orderwheel.targets t
     where name = any(${targets}::text[])`.execute(db)
  return rows.map((row) => ({
    ...row,
    epoch: Number(row.epoch),
    rate: row.rate?.max ? row.rate : null,
  }))
}
