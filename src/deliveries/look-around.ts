import { sql } from 'kysely'

import type { Deployment } from '#base/deployment.ts'
import type { Db } from '#database/open-database.ts'
import type { CircuitState } from '#database/tables.ts'
import { isSilent } from '#limits/reap-leases.ts'
import { lostAfterSeconds } from '#base/lost-after.ts'
import { mayDeliver, ownerFit, type OwnerFit } from '#owner/owner-fit.ts'
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
  /** Nobody may call it now: an operator paused it, or this database is another environment's to deliver from. */
  paused: boolean
  /** A worker that is silent holds jobs or slots. */
  hasLost: boolean
  concurrency: number
  rate: Rate | null
  /** The server's clock, in milliseconds. */
  serverMs: number
}

export type Sight = { fit: OwnerFit; targets: TargetView[] }

/** One query for a whole worker, however many targets and slots it has. */
export async function lookAround(
  db: Db,
  names: readonly string[],
  deployment: Deployment,
): Promise<Sight> {
  const { rows } = await sql<{ fit: OwnerFit } & (Row | { name: null })>`
    select ${ownerFit(deployment)} as fit,
           name, ${hasDueJob(sql.ref('t.name'), 'created')} as "dueNew",
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
      from (select) once
      left join orderwheel.targets t on name = any(${names}::text[])`.execute(db)
  const fit = rows[0]?.fit ?? 'no-owner'
  const ours = mayDeliver(deployment, fit)
  return {
    fit,
    targets: rows.flatMap((row) => (row.name === null ? [] : [toView(row, ours)])),
  }
}

type Row = Omit<TargetView, 'epoch'> & { epoch: string }

function toView(row: Row, ours: boolean): TargetView {
  return {
    ...row,
    epoch: Number(row.epoch),
    paused: row.paused || !ours,
    rate: row.rate?.max ? row.rate : null,
  }
}
