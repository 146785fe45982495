import { untilAborted } from '#base/until-aborted.ts'
import { createWakeUp, type WakeUp } from '#base/wake-up.ts'
import type { Rate, Target } from '#targets/target.ts'

import type { Gate } from './beside-or-alone.ts'
import { callInSlots, type ClaimedTurn } from './call-in-slots.ts'
import { createCircuitView } from './circuit-view.ts'
import { type Claimed, createClaimNext } from './claim-next.ts'
import { expectDue } from './expect-due.ts'
import { holdSlots } from './hold-slots.ts'
import { keepPace, type Turn } from './keep-pace.ts'
import { markAlone } from './mark-alone.ts'
import type { TargetView } from './look-around.ts'
import { startSettling } from './settle-loop.ts'
import type { Applicant, WorkerSlots } from './share-slots.ts'
import { isSuspect } from './suspects.ts'
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

/** How many to claim: for slots that are free, and ahead of slots. */
type Room = { slots: number; ahead: number }
const noRoom: Room = { slots: 0, ahead: 0 }

type Deadlines = { calls: AbortSignal; settling: AbortSignal }

// Two claims at a time: a target whose calls are short is bound by the time a claim takes.
const laneCount = 2
const missedTurn: Turn = { at: -Infinity, latest: -Infinity }
const pauseAfterFailureSeconds = 1
// An idle target's slots are kept for its next order for a moment, then they are the other workers'.
const keepIdleSlotsMs = 3_000

/**
 * Keeps the slots full that this worker has of a target: claims as many deliveries as there are free slots, and
 * for calls that end quickly some ahead of them, so that few claims serve many. Ended calls are settled in bulk
 * beside it, so that no slot waits for the database.
 */
export function startPump(
  target: Target,
  deps: WorkerDeps,
  { workerSlots, gate, tally }: { workerSlots: WorkerSlots; gate: Gate; tally: Tally },
): Pump {
  const stopping = new AbortController()
  const circuit = createCircuitView()
  const slots = holdSlots(target, deps, circuit)
  const pace = keepPace(target.name, deps)
  const claimNext = createClaimNext(target, deps, circuit)
  const due = expectDue()
  const lanes = Array.from({ length: laneCount }, createWakeUp)
  const ring = () => lanes.forEach((bell) => bell.ring())
  const applicant: Applicant = { priority: target.priority, wake: ring }
  gate.join(ring)
  workerSlots.join(applicant, () => view?.concurrency ?? target.concurrency)
  const settling = startSettling(deps, { target, view: circuit, tally, onSettled })
  const calls = callInSlots(target, {
    circuit,
    settling,
    gate,
    markAlone: announceAlone,
    takeSlot: () => freeSlots() > 0 && workerSlots.take(applicant, 1) > 0,
    slotFreed,
    waitForTurn: async (turn) =>
      !turn && !view?.rate
        ? Infinity
        : pace.take(turn ?? missedTurn, stopping.signal).catch(() => undefined),
    isResting: () => stopping.signal.aborted || isResting(),
    mayBegin: (begun) => !stopping.signal.aborted && !view?.paused && begun < slots.cap(),
  })
  const tending = tendCalls(target.name, deps, () => [...calls.held(), ...settling.unsettled()])
  let view: TargetView | undefined
  let claiming = 0
  // Deliveries that are being claimed, for the slots that they are going to use and ahead of slots.
  const coming = { slots: 0, ahead: 0 }
  let roomTimer: NodeJS.Timeout | undefined
  let usedAt = performance.now()
  // How long a claim takes, of late.
  let claimMs = 0

  const isBusy = () => claiming > 0 || calls.held().length > 0 || settling.count() > 0
  const freeSlots = () => Math.max(0, slots.cap() - calls.inSlots() - coming.slots)

  // While the target is being tried out, each outcome decides how many calls there may be.
  let settledIn = circuit.circuit
  function onSettled() {
    if (circuit.circuit !== 'closed' || settledIn !== 'closed') slots.outdate()
    settledIn = circuit.circuit
    calls.settled()
    ring()
  }

  async function announceAlone(call: Claimed): Promise<boolean> {
    const { orderId, messageId, job, attempt } = call.delivery
    const fields = { orderId, messageId, jobId: job.id, target: target.name, attempt }
    try {
      const { worker, db } = deps
      const isOurs = await markAlone(db, { target: target.name, worker, delivery: call.delivery })
      call.marked = isOurs
      if (isOurs) deps.log.warn(fields, 'two workers died with this delivery, it is called alone')
      return isOurs
    } catch (error) {
      deps.log.warn({ err: error, ...fields }, 'a suspect cannot be called, put off')
      return false
    }
  }

  /** The target is not to be called now, whatever is due. */
  function isResting(): boolean {
    if (!view || view.paused) return true
    if (circuit.circuit === 'open') return !circuit.probeDue
    return circuit.circuit === 'probing' && (calls.inSlots() > 0 || settling.count() > 0)
  }

  // Ended calls that may wait for the database before no more are claimed: bounds memory in an outage.
  function isBehind(): boolean {
    return settling.count() >= Math.max(1_000, 2 * slots.cap())
  }

  /** Claims and begins what there is room for. False: there is nothing to do until something happens. */
  async function fill(lane: number): Promise<boolean> {
    calls.callKept()
    if (!due.mayBeMore() || isResting() || isBehind() || !gate.isOpen()) {
      leave()
      return false
    }
    if (!due.mayBeMoreFor(lane)) return false
    // With a rate, claims are not what it is bound by, and what is claimed early waits for its turn.
    if (lane > 0 && view?.rate) return false
    claiming += 1
    try {
      if (slots.isStale()) await renew()
      const room = roomFor(view?.rate ?? null)
      if (room.slots + room.ahead === 0) {
        leave()
        return false
      }
      const granted = workerSlots.take(applicant, room.slots)
      if (granted === 0 && room.slots > 0) return false
      return await claimAndBegin({ ...room, slots: granted }, lane)
    } finally {
      claiming -= 1
    }
  }

  // Waiting on, it would keep those of a lower priority from slots that it does not use.
  function leave() {
    if (calls.kept() === 0 || freeSlots() === 0) workerSlots.leave(applicant)
  }

  function renew(): Promise<void> {
    const most = view?.concurrency ?? target.concurrency
    return slots.renew(() => {
      const inUse = calls.inSlots() + coming.slots
      const isMore = due.mayBeMore() || calls.kept() > 0
      return { inUse, wanted: isMore ? Math.max(most, inUse) : inUse }
    })
  }

  // No lane takes everything: while one claims, the other's calls are made.
  function roomFor(rate: Rate | null): Room {
    const free = isResting() ? 0 : freeSlots()
    // What is claimed ahead is called before retries that come due meanwhile.
    const depth = rate || due.retriesDue() ? 0 : calls.ahead(claimMs)
    const wanted = free + depth - calls.kept() - coming.ahead
    // Many small claims cost more than few large ones, as long as there is something to call meanwhile.
    if (wanted < Math.max(1, depth / 2)) return noRoom
    const count = Math.min(wanted, Math.ceil((slots.cap() + depth) / laneCount))
    const share = Math.min(free, count, Math.ceil(slots.cap() / laneCount))
    if (!rate || share === 0) return { slots: share, ahead: count - share }
    const room = pace.room(rate)
    clearTimeout(roomTimer)
    if (room === 0) roomTimer = setTimeout(ring, pace.untilRoom(rate))
    return { slots: Math.min(share, room), ahead: 0 }
  }

  /** Uses the slots that were taken for it or gives them back. Answers whether to claim again. */
  async function claimAndBegin(room: Room, lane: number): Promise<boolean> {
    coming.slots += room.slots
    coming.ahead += room.ahead
    let found: ClaimedTurn[] = []
    try {
      found = await claim(room, lane)
    } finally {
      coming.slots -= room.slots
      coming.ahead -= room.ahead
      const used = calls.add(found, room.slots)
      if ((found.length === 0 && lane === 0) || !due.mayBeMore()) leave()
      workerSlots.giveBack(applicant, room.slots - used)
    }
    return found.length > 0 && due.mayBeMore()
  }

  async function claim(room: Room, lane: number): Promise<ClaimedTurn[]> {
    const underWay = due.claim(lane)
    const begunAt = performance.now()
    const { found, ...rest } = await claimNext({
      room: room.slots + room.ahead,
      slots: slots.cap(),
      retriesHeld: calls.held().filter((call) => call.isRetry).length,
      retriesDue: due.retriesDue() && !underWay.firstOnly,
      isTrial: circuit.circuit !== 'closed',
    })
    underWay.ended(rest)
    claimMs += (performance.now() - begunAt - claimMs) / 4
    if (found.length === 0) return []
    usedAt = performance.now()
    // What was claimed ahead before there was a rate may yet go back, and would leave its turns unused.
    const turns = view?.rate && room.ahead === 0 ? await bookTurns(found) : undefined
    return found.map((claimed, place) => {
      const turn = turns?.[place]
      return turn ? { claimed, turn } : { claimed }
    })
  }

  // What is claimed must not be forgotten: without turns, each call has to look for its own. A suspect has yet to wait
  // until it is alone when its turn has come.
  async function bookTurns(found: readonly Claimed[]): Promise<Turn[] | undefined> {
    const isAnySuspect = found.some(({ delivery }) => isSuspect(delivery))
    try {
      return await pace.book(found.length, isAnySuspect ? gate.patienceMs() : 0)
    } catch (error) {
      deps.log.warn({ err: error, target: target.name }, 'cannot book calls, trying again')
      return found.map(() => missedTurn)
    }
  }

  function slotFreed() {
    workerSlots.giveBack(applicant, 1)
    calls.callKept()
    ring()
  }

  async function run(bell: WakeUp, lane: number) {
    while (!stopping.signal.aborted) {
      try {
        if (!(await fill(lane))) await bell.wait()
      } catch (error) {
        due.wake()
        deps.log.warn({ err: error, target: target.name }, 'cannot claim deliveries, trying again')
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  /** Renews the lease of a busy target; gives it back when there has been nothing to do. */
  async function tendLease() {
    try {
      if (isBusy() || performance.now() - usedAt < keepIdleSlotsMs) {
        if (calls.inSlots() > 0 && slots.isStale()) await renew()
      } else await slots.release()
    } catch (error) {
      deps.log.warn({ err: error, target: target.name }, 'the lease on slots cannot be renewed')
    }
  }

  /** Waits for what is in flight; cuts it short when `calls` aborts, and waits no longer than `settling`. */
  async function finishCalls({ calls: callsDeadline, settling: settlingDeadline }: Deadlines) {
    onAbort(callsDeadline, () => calls.cut())
    onAbort(settlingDeadline, ring)
    // A claim under way may have taken deliveries; a database that hangs must not keep us.
    await Promise.race([running, untilAborted(settlingDeadline)])
    while (calls.held().length > 0 && !settlingDeadline.aborted) await lanes[0]?.wait()
  }

  const running = Promise.all(lanes.map(run))
  return {
    target: target.name,
    wake() {
      due.wake()
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
      due.observe(found)
      // What other workers gave back, or lack, is seen by asking.
      const isFull = slots.cap() <= calls.inSlots() && slots.cap() < found.concurrency
      const wantsMore = isFull && (due.mayBeMore() || calls.kept() > 0)
      if (limitsChanged || wantsMore || circuit.epoch !== epoch) slots.outdate()
      void tendLease()
      calls.giveBackOld()
      ring()
    },
    isIdle: () => !isBusy() && (!due.mayBeMore() || isResting()),
    async stop(deadlines) {
      stopping.abort()
      clearTimeout(roomTimer)
      calls.callKept()
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
