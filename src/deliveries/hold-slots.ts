import { leaseSlots, releaseSlots } from '#limits/lease-slots.ts'
import { lostAfterSeconds } from '#queues/declare-queues.ts'
import type { Target } from '#targets/target.ts'

import type { CircuitView } from './circuit-view.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type HeldSlots = {
  /** Calls at a time this worker may make now; 0 when its lease may have been given to others. */
  cap(): number
  /** Whether the lease should be renewed before it is used. */
  isStale(): boolean
  /** Something changed that the lease depends on. */
  outdate(): void
  renew(use: { inUse: number; wanted: number }): Promise<void>
  release(): Promise<void>
}

// Long before it ends, so that two failures cost nothing.
const renewAfterMs = (lostAfterSeconds * 1_000) / 3
// Others may take the slots after `lostAfterSeconds`, by the server's clock; ours runs as fast as that one.
const usableMs = (lostAfterSeconds - 1) * 1_000

/** One worker's lease on a target's slots, as it knows it. Renewing costs a query, using it none. */
export function holdSlots(
  target: Target,
  { db, worker }: Pick<WorkerDeps, 'db' | 'worker'>,
  view: CircuitView,
): HeldSlots {
  let cap = 0
  let held = false
  // Before the question was sent: the server's time of renewal is later.
  let askedAt = -Infinity
  let outdated = true
  const age = () => performance.now() - askedAt

  return {
    cap: () => (age() < usableMs ? cap : 0),
    isStale: () => outdated || age() > renewAfterMs,
    outdate() {
      outdated = true
    },
    async renew(use) {
      const sentAt = performance.now()
      outdated = false
      const heedCircuit = target.circuit !== null
      const lease = await leaseSlots(db, { target: target.name, worker, ...use, heedCircuit })
      held = true
      cap = lease.cap
      askedAt = sentAt
      view.learn({ circuit: heedCircuit ? lease.circuit : 'closed', epoch: lease.epoch })
    },
    async release() {
      if (!held) return
      held = false
      cap = 0
      outdated = true
      await releaseSlots(db, { target: target.name, worker })
    },
  }
}
