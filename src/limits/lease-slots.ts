import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'
import type { CircuitState } from '#database/tables.ts'

import { changeTarget } from './change-target.ts'
import { divideSlots, type OtherLease, type Share } from './divide-slots.ts'
import { clearPause } from './lock-pause.ts'
import { letGoWhenFrozen } from './let-go-when-frozen.ts'

export type LeaseRequest = {
  target: string
  worker: string
  /** Calls in flight. */
  inUse: number
  /** Calls it could make at once, those in flight included. */
  wanted: number
  /** Whether the target's circuit is heeded: it has options. */
  heedCircuit: boolean
}

export type Lease = Share & { circuit: CircuitState; epoch: number }

/**
 * Renews a worker's lease on a target's slots and changes it to what it may have now. All workers together
 * never hold more than the target's concurrency, as the operator or the configuration has it; none while it is
 * paused or its circuit open; one while it is probed. The lease ends when it is not renewed within
 * `lostAfterSeconds`. An open circuit whose time has come is probed by who asks first.
 */
export async function leaseSlots(db: Db, request: LeaseRequest): Promise<Lease> {
  return db.transaction().execute(async (tx) => {
    const target = await lockTarget(tx, request)
    const others = await readOthers(tx, request)
    const share = divideSlots(allowedSlots(target, request), request, others)
    await writeLease(tx, request, share)
    return { ...share, circuit: target.circuit, epoch: Number(target.epoch) }
  })
}

/** Gives all slots back: the worker is idle, or stops. */
export async function releaseSlots(
  db: Db,
  lease: { target: string; worker: string },
): Promise<void> {
  await sql`delete from orderwheel.slot_leases
             where target = ${lease.target} and worker = ${lease.worker}`.execute(db)
}

type LockedTarget = {
  circuit: CircuitState
  epoch: string
  probeDue: boolean
  paused: boolean
  pauseOver: boolean
  rampSlots: number
  concurrency: number
}

// The lock is what makes the sum exact: the leases are read by a later statement, whose snapshot has what the
// worker that held the lock before us wrote.
async function lockTarget(tx: Tx, request: LeaseRequest): Promise<LockedTarget> {
  const { rows } = await sql<LockedTarget>`
    select circuit, circuit_epoch as epoch, ramp_slots as "rampSlots", ${letGoWhenFrozen},
           -- since in the future: the clock was set back, by a failover perhaps; now() is from before the
           -- wait for the lock, while the circuit may have changed
           circuit = 'open' and (probe_at <= now() or circuit_since > clock_timestamp()) as "probeDue",
           paused_at is not null and coalesce(paused_until > now(), true) as paused,
           coalesce(paused_until <= now(), false) as "pauseOver",
           coalesce(concurrency_set, concurrency) as concurrency
      from orderwheel.targets where name = ${request.target}
       for update`.execute(tx)
  const [target] = rows
  if (!target) throw new Error(`Target ${request.target} is not declared in orderwheel.targets.`)
  if (target.pauseOver) await endPause(tx, request)
  if (target.paused || !target.probeDue || request.wanted === 0) return target
  return { ...target, ...(await startProbing(tx, request)) }
}

function allowedSlots(target: LockedTarget, { heedCircuit }: LeaseRequest): number {
  if (target.paused) return 0
  if (!heedCircuit) return target.concurrency
  switch (target.circuit) {
    case 'open':
      return 0
    case 'probing':
      return 1
    case 'ramping':
      return Math.min(target.rampSlots, target.concurrency)
    case 'closed':
      return target.concurrency
    default:
      return target.circuit satisfies never
  }
}

async function endPause(tx: Tx, { target, worker }: LeaseRequest): Promise<void> {
  await clearPause(tx, target)
  await changeTarget(tx, {
    target,
    change: 'resumed',
    reason: 'the time it was paused for is over',
    who: worker,
  })
}

async function startProbing(
  tx: Tx,
  { target, worker }: LeaseRequest,
): Promise<{ circuit: 'probing'; epoch: string }> {
  const { rows } = await sql<{ epoch: string }>`
    update orderwheel.targets
       set circuit = 'probing', circuit_since = now(), circuit_epoch = circuit_epoch + 1,
           circuit_reason = 'it is time to see whether it is back', probe_at = null
     where name = ${target}
    returning circuit_epoch as epoch`.execute(tx)
  const reason = 'it is time to see whether it is back'
  await changeTarget(tx, { target, change: 'circuit-probing', reason, who: worker })
  return { circuit: 'probing', epoch: rows[0]?.epoch ?? '0' }
}

async function readOthers(tx: Tx, { target, worker }: LeaseRequest): Promise<OtherLease[]> {
  return tx
    .selectFrom('orderwheel.slot_leases')
    .select(['slots', 'wanted'])
    .where('target', '=', target)
    .where('worker', '!=', worker)
    .execute()
}

async function writeLease(
  tx: Tx,
  { target, worker, wanted }: LeaseRequest,
  { slots }: Share,
): Promise<void> {
  await sql`
    insert into orderwheel.slot_leases (target, worker, slots, wanted)
    values (${target}, ${worker}, ${slots}, ${wanted})
    on conflict (target, worker) do update
       set slots = excluded.slots, wanted = excluded.wanted, renewed_at = now()`.execute(tx)
}
