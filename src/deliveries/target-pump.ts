import { untilAborted } from '#base/until-aborted.ts'
import { createWakeUp } from '#base/wake-up.ts'
import { isTransient } from '#database/transient-error.ts'
import type { Target } from '#targets/target.ts'

import { callTarget } from './call-target.ts'
import { type ClaimedDelivery, claimDeliveries } from './claim-deliveries.ts'
import { claimOneByOne } from './claim-one-by-one.ts'
import { decideSettlement } from './decide-settlement.ts'
import { keepHeld } from './keep-held.ts'
import { refuseToCall } from './refuse-to-call.ts'
import { startSettling } from './settle-loop.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type Pump = {
  target: string
  /** There may be due jobs: look now. */
  wake(): void
  /** Whether nothing is in flight or unsettled. */
  isIdle(): boolean
  /** Claims nothing more; what is in flight is handed back when `calls` aborts, and settled until `settling` does. */
  stop(deadlines: Deadlines): Promise<void>
}

type Deadlines = { calls: AbortSignal; settling: AbortSignal }

// Ended calls that may wait for the database before no more are claimed: bounds memory in an outage.
const maxUnsettled = 1_000
const pauseAfterFailureSeconds = 1

/**
 * Keeps a target's slots full: claims as many deliveries as there are free slots, calls the target for
 * each at the same time, and refills slots as they free. Ended calls are settled in bulk beside it, so
 * that no slot waits for the database.
 */
export function startPump(target: Target, deps: WorkerDeps): Pump {
  const bell = createWakeUp()
  const inFlight = new Set<ClaimedDelivery>()
  const stopCalls = new AbortController()
  const settling = startSettling(target.name, deps, bell.ring)
  const heartbeat = keepHeld(target.name, deps, () => [...inFlight, ...settling.unsettled()])
  let mayBeMore = true
  let claiming = false
  let stopping = false

  function freeSlots(): number {
    return settling.unsettled().length < maxUnsettled ? target.concurrency - inFlight.size : 0
  }

  async function call(delivery: ClaimedDelivery) {
    inFlight.add(delivery)
    const end =
      refuseToCall(target, delivery) ?? (await callTarget(target, delivery, stopCalls.signal))
    settling.add(decideSettlement(target, delivery, end))
    inFlight.delete(delivery)
    bell.ring()
  }

  async function fill() {
    const count = freeSlots()
    mayBeMore = false
    claiming = true
    try {
      const claimed = await claim({ target: target.name, count })
      if (claimed.length === count) mayBeMore = true
      for (const delivery of claimed) void call(delivery)
    } finally {
      claiming = false
    }
  }

  async function claim(wanted: { target: string; count: number }) {
    try {
      return await claimDeliveries(deps, wanted)
    } catch (error) {
      if (isTransient(error)) throw error
      return claimOneByOne(deps, wanted)
    }
  }

  async function run() {
    while (!stopping) {
      if (!mayBeMore || freeSlots() === 0) {
        await bell.wait()
        continue
      }
      try {
        await fill()
      } catch (error) {
        mayBeMore = true
        deps.log.warn({ err: error, target: target.name }, 'cannot claim deliveries, trying again')
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  /** Waits for what is in flight; aborts it when `calls` does, and waits no longer than `settling`. */
  async function finishCalls({ calls, settling }: Deadlines) {
    onAbort(calls, () => stopCalls.abort())
    onAbort(settling, bell.ring)
    // A claim under way may have taken deliveries; a database that hangs must not keep us.
    await Promise.race([running, untilAborted(settling)])
    while (inFlight.size > 0 && !settling.aborted) await bell.wait()
  }

  const running = run()
  return {
    target: target.name,
    wake() {
      mayBeMore = true
      bell.ring()
    },
    isIdle: () =>
      !mayBeMore && !claiming && inFlight.size === 0 && settling.unsettled().length === 0,
    async stop(deadlines) {
      stopping = true
      bell.ring()
      await finishCalls(deadlines)
      await settling.finish(deadlines.settling)
      heartbeat.stop()
    },
  }
}

function onAbort(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act, { once: true })
}
