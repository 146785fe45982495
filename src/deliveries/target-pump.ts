import { untilAborted } from '#base/until-aborted.ts'
import { createWakeUp, type WakeUp } from '#base/wake-up.ts'
import type { Rate, Target } from '#targets/target.ts'

import { createCircuitView } from './circuit-view.ts'
import { type Claimed, createClaimNext } from './claim-next.ts'
import { holdSlots } from './hold-slots.ts'
import { keepPace, type Turn } from './keep-pace.ts'
import type { TargetView } from './look-around.ts'
import { makeCall, mayStillCall, refused } from './make-call.ts'
import { refuseToCall } from './refuse-to-call.ts'
import { startSettling } from './settle-loop.ts'
import type { Applicant, WorkerSlots } from './share-slots.ts'
import type { Tally } from './tally.ts'
import { tendCalls } from './tend-calls.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type Pump = {
  target: string
  /** There may be due jobs: look now. */
  wake(): void
  /** What was found out about the target: each second, and when somebody says that it changed. */
  observe(view: TargetView, knownEpoch: number): void
  /** The last change of the circuit that this worker knows of; given back to `observe` as of when it looked. */
  epoch(): number
  /** Whether nothing is in flight or unsettled, nor about to be. */
  isIdle(): boolean
  /** Claims nothing more; what is in flight is handed back when `calls` aborts, and settled until `settling` does. */
  stop(deadlines: Deadlines): Promise<void>
}

type Deadlines = { calls: AbortSignal; settling: AbortSignal }

// Two claims at a time: a target whose calls are short is bound by the time a claim takes.
const laneCount = 2
const missedTurn: Turn = { at: -Infinity, latest: -Infinity }
const pauseAfterFailureSeconds = 1
// An idle target's slots are kept for its next order for a moment, then they are the other workers'.
const keepIdleSlotsMs = 3_000

/**
 * Keeps the slots full that this worker has of a target: claims as many deliveries as there are free slots,
 * calls the target for each at the same time, and refills slots as they free. Ended calls are settled in bulk
 * beside it, so that no slot waits for the database.
 */
export function startPump(
  target: Target,
  deps: WorkerDeps,
  { workerSlots, tally }: { workerSlots: WorkerSlots; tally: Tally },
): Pump {
  const calls = new Set<Claimed>()
  const stopping = new AbortController()
  const circuit = createCircuitView()
  const slots = holdSlots(target, deps, circuit)
  const pace = keepPace(target.name, deps)
  const claimNext = createClaimNext(target.name, deps, circuit)
  const lanes = Array.from({ length: laneCount }, createWakeUp)
  const ring = () => lanes.forEach((bell) => bell.ring())
  const applicant: Applicant = { priority: target.priority, wake: ring }
  workerSlots.join(applicant, () => view?.concurrency ?? target.concurrency)
  const settling = startSettling(deps, { target, view: circuit, tally, onSettled })
  const tending = tendCalls(target.name, deps, () => [...calls, ...settling.unsettled()])
  let view: TargetView | undefined
  // Counted: a claim that found little says nothing about what has come since it began.
  let wakes = 1
  let emptied = 0
  // As above, for first attempts alone: the second lane leaves retries to the first.
  let emptiedOfFirst = 0
  let claiming = 0
  // Calls that began and have not ended.
  let begun = 0
  // Slots that deliveries being claimed are going to use.
  let reserved = 0
  let roomTimer: NodeJS.Timeout | undefined
  let usedAt = performance.now()

  const mayBeMore = () => wakes > emptied
  const retriesDue = () => view?.dueRetry ?? true
  const leavesRetries = (lane: number) => lane > 0 && retriesDue()
  const isBusy = () => claiming > 0 || calls.size > 0 || settling.count() > 0

  // While the target is being tried out, each outcome decides how many calls there may be.
  let settledIn = circuit.circuit
  function onSettled() {
    if (circuit.circuit !== 'closed' || settledIn !== 'closed') slots.outdate()
    settledIn = circuit.circuit
    ring()
  }

  /** The target is not to be called now, whatever is due. */
  function isResting(): boolean {
    if (!view || view.paused) return true
    if (circuit.circuit === 'open') return !circuit.probeDue
    return circuit.circuit === 'probing' && (calls.size > 0 || settling.count() > 0)
  }

  // Ended calls that may wait for the database before no more are claimed: bounds memory in an outage.
  function isBehind(): boolean {
    return settling.count() >= Math.max(1_000, 2 * slots.cap())
  }

  /** Claims and begins what there is room for. False: there is nothing to do until something happens. */
  async function fill(lane: number): Promise<boolean> {
    if (!mayBeMore() || isResting() || isBehind()) {
      // Waiting on, it would keep those of a lower priority from slots that it does not use.
      workerSlots.leave(applicant)
      return false
    }
    if (leavesRetries(lane) && wakes <= emptiedOfFirst) return false
    // With a rate, claims are not what it is bound by, and what is claimed early waits for its turn.
    if (lane > 0 && view?.rate) return false
    claiming += 1
    try {
      if (slots.isStale()) await renew()
      const granted = workerSlots.take(applicant, roomFor(view?.rate ?? null))
      if (granted === 0) return false
      let claimed = 0
      try {
        claimed = await claimAndBegin(granted, lane)
      } finally {
        if ((claimed === 0 && lane === 0) || !mayBeMore()) workerSlots.leave(applicant)
        workerSlots.giveBack(applicant, granted - claimed)
      }
      return claimed > 0 && mayBeMore()
    } finally {
      claiming -= 1
    }
  }

  function renew(): Promise<void> {
    const most = view?.concurrency ?? target.concurrency
    return slots.renew(() => {
      const inUse = calls.size + reserved
      return { inUse, wanted: mayBeMore() ? Math.max(most, inUse) : inUse }
    })
  }

  // No lane takes everything: while one claims, the other's calls are made.
  function roomFor(rate: Rate | null): number {
    const cap = slots.cap()
    const free = isResting() ? 0 : Math.max(0, cap - calls.size - reserved)
    const share = Math.min(free, Math.ceil(cap / laneCount))
    if (!rate || share === 0) return share
    const room = pace.room(rate)
    clearTimeout(roomTimer)
    if (room === 0) roomTimer = setTimeout(ring, pace.untilRoom(rate))
    return Math.min(share, room)
  }

  async function claimAndBegin(room: number, lane: number): Promise<number> {
    reserved += room
    const seen = wakes
    const firstOnly = leavesRetries(lane)
    try {
      const { found, left, noRetryLeft } = await claimNext({
        room,
        slots: slots.cap(),
        retriesHeld: [...calls].filter((call) => call.isRetry).length,
        // One lane is enough for them, and counts them.
        retriesDue: retriesDue() && !firstOnly,
        isTrial: circuit.circuit !== 'closed',
      })
      // Looking for them among a million that are due later takes a while: not again before the next look.
      if (noRetryLeft && view) view = { ...view, dueRetry: false }
      if (!left && firstOnly) emptiedOfFirst = Math.max(emptiedOfFirst, seen)
      else if (!left) emptied = Math.max(emptied, seen)
      if (found.length === 0) return 0
      usedAt = performance.now()
      const turns = view?.rate ? await bookTurns(found.length) : undefined
      found.forEach((claimed, place) => void carryOut(claimed, turns?.[place]))
      return found.length
    } finally {
      reserved -= room
    }
  }

  // What is claimed must not be forgotten: without turns, each call has to look for its own.
  async function bookTurns(count: number): Promise<Turn[] | undefined> {
    try {
      return await pace.book(count)
    } catch (error) {
      deps.log.warn({ err: error, target: target.name }, 'cannot book calls, trying again')
      return Array.from({ length: count }, () => missedTurn)
    }
  }

  async function carryOut(claimed: Claimed, turn: Turn | undefined) {
    calls.add(claimed)
    const { delivery, keptAt } = claimed
    const call = await callOrRefuse(claimed, turn)
    settling.add({ delivery, keptAt, ...(call ? { call } : {}) })
    calls.delete(claimed)
    workerSlots.giveBack(applicant, 1)
    ring()
  }

  // A refusal comes first: given back instead, the delivery would forget that its last call was lost.
  async function callOrRefuse(claimed: Claimed, turn: Turn | undefined) {
    const end = refuseToCall(target, claimed.delivery)
    if (end) return refused(end, claimed)
    const isTurn = turn ? await pace.take(turn, stopping.signal).catch(() => false) : true
    if (!isTurn || !mayBegin() || !mayStillCall(claimed, circuit)) return undefined
    begun += 1
    const call = await makeCall(target, claimed, circuit)
    begun -= 1
    return call
  }

  // The cap may have come down since the claim.
  function mayBegin(): boolean {
    return !stopping.signal.aborted && !view?.paused && begun < slots.cap()
  }

  async function run(bell: WakeUp, lane: number) {
    while (!stopping.signal.aborted) {
      try {
        if (!(await fill(lane))) await bell.wait()
      } catch (error) {
        wakes += 1
        deps.log.warn({ err: error, target: target.name }, 'cannot claim deliveries, trying again')
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  /** Renews the lease of a busy target; gives it back when there has been nothing to do. */
  async function tendLease() {
    try {
      if (isBusy() || performance.now() - usedAt < keepIdleSlotsMs) {
        if (calls.size > 0 && slots.isStale()) await renew()
      } else await slots.release()
    } catch (error) {
      deps.log.warn({ err: error, target: target.name }, 'the lease on slots cannot be renewed')
    }
  }

  /** Waits for what is in flight; cuts it short when `calls` aborts, and waits no longer than `settling`. */
  async function finishCalls({ calls: callsDeadline, settling: settlingDeadline }: Deadlines) {
    onAbort(callsDeadline, () => calls.forEach((call) => call.cut?.()))
    onAbort(settlingDeadline, ring)
    // A claim under way may have taken deliveries; a database that hangs must not keep us.
    await Promise.race([running, untilAborted(settlingDeadline)])
    while (calls.size > 0 && !settlingDeadline.aborted) await lanes[0]?.wait()
  }

  const running = Promise.all(lanes.map(run))
  return {
    target: target.name,
    wake() {
      wakes += 1
      ring()
    },
    epoch: () => circuit.epoch,
    observe(found, knownEpoch) {
      const limitsChanged = view?.concurrency !== found.concurrency || view.paused !== found.paused
      const epoch = circuit.epoch
      view = found
      // What was known before the look is gone from the database: a failover lost it.
      if (found.epoch < knownEpoch) circuit.forget()
      circuit.learn(target.circuit ? found : { ...found, circuit: 'closed' })
      pace.heed(found.rate)
      if (found.dueNew || found.dueRetry) wakes += 1
      // What other workers gave back, or lack, is seen by asking.
      const wantsMore = mayBeMore() && slots.cap() <= calls.size && slots.cap() < found.concurrency
      if (limitsChanged || wantsMore || circuit.epoch !== epoch) slots.outdate()
      void tendLease()
      ring()
    },
    isIdle: () => !isBusy() && (!mayBeMore() || isResting()),
    async stop(deadlines) {
      stopping.abort()
      clearTimeout(roomTimer)
      ring()
      await finishCalls(deadlines)
      await settling.finish(deadlines.settling)
      await Promise.race([tending.stop(), untilAborted(deadlines.settling)])
      // Best effort: it ends by itself.
      await Promise.race([slots.release().catch(() => {}), untilAborted(deadlines.settling)])
    },
  }
}

function onAbort(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act, { once: true })
}
