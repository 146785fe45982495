import { leaseSlots, releaseSlots } from '#limits/lease-slots.ts'
import { lostAfterSeconds } from '#base/lost-after.ts'
import type { Target } from '#targets/target.ts'

import type { CircuitView } from './circuit-view.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type SlotUse = {
  /** Calls in flight, and those about to be. */
  inUse: number
  /** Calls it could make at once, those included. */
  wanted: number
}

export type HeldSlots = {
  /** Calls at a time this worker may make now; 0 when its lease may have been given to others. */
  cap(): number
  /** Whether the lease should be renewed before it is used. */
  isStale(): boolean
  /** Something changed that the lease depends on. */
  outdate(): void
  /** `use` is asked when the question is sent; one that is under way already is waited for. */
  renew(use: () => SlotUse): Promise<void>
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
  // One question at a time: of two that overtake each other, the last answer may not be what is written.
  let underWay: Promise<void> | undefined
  const age = () => performance.now() - askedAt
  const isStale = () => underWay !== undefined || outdated || age() > renewAfterMs

  function inTurn(question: () => Promise<void>): Promise<void> {
    underWay ??= question().finally(() => (underWay = undefined))
    return underWay
  }

  async function ask(use: SlotUse) {
    const sentAt = performance.now()
    const heedCircuit = target.circuit !== null
    outdated = false
    held = true
    try {
      const lease = await leaseSlots(db, { target: target.name, worker, ...use, heedCircuit })
      cap = lease.cap
      askedAt = sentAt
      view.learn({ circuit: heedCircuit ? lease.circuit : 'closed', epoch: lease.epoch })
    } catch (error) {
      // It may have been written: what is not in use may be another's now.
      cap = Math.min(cap, use.inUse)
      outdated = true
      throw error
    }
  }

  async function giveBack() {
    held = false
    cap = 0
    outdated = true
    await releaseSlots(db, { target: target.name, worker })
  }

  return {
    cap: () => (age() < usableMs ? cap : 0),
    isStale,
    outdate() {
      outdated = true
    },
    async renew(use) {
      await underWay?.catch(() => {})
      if (isStale()) await inTurn(() => ask(use()))
    },
    async release() {
      await underWay?.catch(() => {})
      if (held) await inTurn(giveBack)
    },
  }
}
