import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'
import type { CircuitState } from '#database/tables.ts'
import type { CircuitOptions } from '#targets/target.ts'

import { changeTarget } from './change-target.ts'
import { type CallsEnded, type Circuit, isClean, judgeCalls, type Judgement } from './circuit.ts'
import { letGoWhenFrozen } from './let-go-when-frozen.ts'

export type CallsToRecord = {
  target: string
  worker: string
  options: CircuitOptions
  /** The circuit's epoch in which the calls began. */
  epoch: number
  ended: CallsEnded
}

export type Recorded = {
  /** After these calls. */
  state: CircuitState
  epoch: number
  changed: boolean
  reason: string | null
  /** Whether later successes have to be recorded as well. */
  clean: boolean
  /** Until the next probe; 0 unless the circuit is open. */
  probeInSeconds: number
}

/**
 * Adds calls that ended to what all workers know about a target and changes its circuit when it is time to.
 * Calls that began before the last change of state tell nothing about the present one: they change nothing.
 */
export async function recordCalls(db: Db, calls: CallsToRecord): Promise<Recorded> {
  return db.transaction().execute(async (tx) => {
    const row = await lockCircuit(tx, calls)
    if (Number(row.epoch) !== calls.epoch) return asRecorded(row)
    const judged = judgeCalls(row, calls.ended, {
      options: calls.options,
      concurrency: row.concurrency,
    })
    return asRecorded(await write(tx, calls, row, judged), judged)
  })
}

type Row = Circuit & {
  epoch: string
  reason: string | null
  concurrency: number
  probeInSeconds: number
}

// A window that is over begins anew with these calls, when they have a failure to begin it with.
async function lockCircuit(tx: Tx, { target, options }: CallsToRecord): Promise<Row> {
  const over = sql`(window_since is null or window_since > clock_timestamp()
                    or window_since < now() - make_interval(secs => ${options.windowSeconds}))`
  const { rows } = await sql<Row>`
    select circuit as state, circuit_epoch as epoch, circuit_reason as reason, ${letGoWhenFrozen},
           failed_in_a_row as "failedInARow", failed_probes as "failedProbes",
           case when ${over} then 0 else window_calls end as "windowCalls",
           case when ${over} then 0 else window_failed end as "windowFailed",
           ramp_slots as "rampSlots", ramp_calls as "rampCalls",
           coalesce(concurrency_set, concurrency) as concurrency,
           coalesce(greatest(0, extract(epoch from probe_at - now())), 0)::float8 as "probeInSeconds"
      from orderwheel.targets where name = ${target}
       for update`.execute(tx)
  const [row] = rows
  if (!row) throw new Error(`Target ${target} is not declared in orderwheel.targets.`)
  return row
}

async function write(
  tx: Tx,
  { target, worker, ended }: CallsToRecord,
  before: Row,
  { circuit, reason, probeAfterSeconds }: Judgement,
): Promise<Row> {
  const changed = circuit.state !== before.state
  const windowBegins = before.windowCalls === 0 && ended.failed > 0
  // Successes alone begin no window: there is nothing to compare them with.
  const counted = circuit.windowFailed > 0 || circuit.state !== 'closed'
  const { rows } = await sql<{ epoch: string }>`
    update orderwheel.targets
       set circuit = ${circuit.state},
           circuit_epoch = circuit_epoch + ${changed ? 1 : 0},
           circuit_since = case when ${changed} then now() else circuit_since end,
           circuit_reason = case when ${changed} then ${reason ?? null} else circuit_reason end,
           probe_at = case when ${changed} then now() + make_interval(secs => ${probeAfterSeconds ?? null})
                           else probe_at end,
           failed_probes = ${circuit.failedProbes},
           ramp_slots = ${circuit.rampSlots}, ramp_calls = ${circuit.rampCalls},
           failed_in_a_row = ${circuit.failedInARow},
           window_since = case when ${windowBegins} then now() else window_since end,
           window_calls = ${counted ? circuit.windowCalls : 0},
           window_failed = ${circuit.windowFailed}
     where name = ${target}
    returning circuit_epoch as epoch`.execute(tx)
  if (changed) {
    const change =
      circuit.state === 'open' ? 'circuit-opened' : (`circuit-${circuit.state}` as const)
    await changeTarget(tx, { target, change, reason: reason ?? '', who: worker })
  }
  return {
    ...before,
    ...circuit,
    epoch: rows[0]?.epoch ?? before.epoch,
    reason: changed ? (reason ?? null) : before.reason,
    probeInSeconds: probeAfterSeconds ?? before.probeInSeconds,
  }
}

function asRecorded(row: Row, judged?: Judgement): Recorded {
  return {
    state: row.state,
    epoch: Number(row.epoch),
    changed: judged?.reason !== undefined,
    reason: row.reason,
    clean: isClean(row),
    probeInSeconds: row.state === 'open' ? row.probeInSeconds : 0,
  }
}
