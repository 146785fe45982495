import { untilAborted } from '#base/until-aborted.ts'
import { createWakeUp } from '#base/wake-up.ts'
import { isTransient } from '#database/transient-error.ts'
import type { JobsWanted } from '#queues/jobs.ts'
import type { Rate, Target } from '#targets/target.ts'

import { callTarget } from './call-target.ts'
import { createClaimChooser } from './choose-claims.ts'
import { createCircuitView } from './circuit-view.ts'
import { type ClaimedDelivery, claimDeliveries } from './claim-deliveries.ts'
import { claimOneByOne } from './claim-one-by-one.ts'
import { holdSlots } from './hold-slots.ts'
import { keepPace, type Turn } from './keep-pace.ts'
import type { TargetView } from './look-around.ts'
import { refuseToCall } from './refuse-to-call.ts'
import { startSettling } from './settle-loop.ts'
import type { Applicant, WorkerSlots } from './share-slots.ts'
import { type HeldDelivery, ownForMs, tendCalls } from './tend-calls.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type Pump = {
  target: string
  /** There may be due jobs: look now. */
  wake(): void
  /** What was found out about the target: each second, and when somebody says that it changed. */
  observe(view: TargetView): void
  /** Whether nothing is in flight or unsettled, nor about to be. */
  isIdle(): boolean
  /** Claims nothing more; what is in flight is handed back when `calls` aborts, and settled until `settling` does. */
  stop(deadlines: Deadlines): Promise<void>
}

type Deadlines = { calls: AbortSignal; settling: AbortSignal }

type Call = HeldDelivery & { isRetry: boolean; turn: Turn | undefined; epoch: number }

const missedTurn: Turn = { at: -Infinity, latest: -Infinity }
const pauseAfterFailureSeconds = 1
// An idle target's slots are kept for its next order for a moment, then they are the other workers'.
const keepIdleSlotsMs = 3_000

/**
 * Keeps the slots full that this worker has of a target: claims as many deliveries as there are free slots,
 * calls the target for each at the same time, and refills slots as they free. Ended calls are settled in bulk
 * beside it, so that no slot waits for the database.
 */
export function startPump(target: Target, deps: WorkerDeps, workerSlots: WorkerSlots): Pump {
  const bell = createWakeUp()
  const calls = new Set<Call>()
  const stopping = new AbortController()
  const circuit = createCircuitView()
  const slots = holdSlots(target, deps, circuit)
  const pace = keepPace(target.name, deps)
  const chooser = createClaimChooser()
  const applicant: Applicant = { priority: target.priority, wake: bell.ring }
  const settling = startSettling(deps, { target, view: circuit, onSettled })
  const tending = tendCalls(target.name, deps, () => [...calls, ...settling.unsettled()])
  let view: TargetView | undefined
  let mayBeMore = true
  let claiming = false
  // Slots that deliveries being claimed are going to use.
  let reserved = 0
  let roomTimer: NodeJS.Timeout | undefined
  let usedAt = performance.now()

  // While the target is being tried out, each outcome decides how many calls there may be.
  let settledIn = circuit.circuit
  function onSettled() {
    if (circuit.circuit !== 'closed' || settledIn !== 'closed') slots.outdate()
    settledIn = circuit.circuit
    bell.ring()
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
  async function fill(): Promise<boolean> {
    if (!mayBeMore || isResting() || isBehind()) {
      // Waiting on, it would keep those of a lower priority from slots that it does not use.
      workerSlots.leave(applicant)
      return false
    }
    claiming = true
    try {
      if (slots.isStale()) await renew()
      const granted = workerSlots.take(applicant, roomFor(view?.rate ?? null))
      if (granted === 0) return false
      let begun = 0
      try {
        begun = await claimAndBegin(granted)
      } finally {
        if (begun === 0 || !mayBeMore) workerSlots.leave(applicant)
        workerSlots.giveBack(applicant, granted - begun)
      }
      return begun > 0 && mayBeMore
    } finally {
      claiming = false
    }
  }

  function renew(): Promise<void> {
    const most = view?.concurrency ?? target.concurrency
    return slots.renew(() => {
      const inUse = calls.size + reserved
      return { inUse, wanted: mayBeMore ? Math.max(most, inUse) : inUse }
    })
  }

  function roomFor(rate: Rate | null): number {
    const free = isResting() ? 0 : Math.max(0, slots.cap() - calls.size)
    if (!rate || free === 0) return free
    const room = pace.room(rate)
    clearTimeout(roomTimer)
    if (room === 0) roomTimer = setTimeout(bell.ring, pace.untilRoom(rate))
    return Math.min(free, room)
  }

  async function claimAndBegin(room: number): Promise<number> {
    reserved = room
    mayBeMore = false
    try {
      const { found, left } = await claim(room)
      mayBeMore ||= left
      if (found.length === 0) return 0
      usedAt = performance.now()
      const turns = view?.rate ? await bookTurns(found) : undefined
      found.forEach((call, place) => void carryOut({ ...call, turn: turns?.[place] }))
      return found.length
    } catch (error) {
      mayBeMore = true
      throw error
    } finally {
      reserved = 0
    }
  }

  // What is claimed must not be forgotten: without turns, each call has to look for its own.
  async function bookTurns(found: readonly Call[]): Promise<Turn[] | undefined> {
    try {
      return await pace.book(found.length)
    } catch (error) {
      deps.log.warn({ err: error, target: target.name }, 'cannot book calls, trying again')
      return found.map(() => missedTurn)
    }
  }

  /** First attempts and retries, each its share. `left`: there may be more than was asked for. */
  async function claim(room: number) {
    const held = [...calls].filter((call) => call.isRetry).length
    const retriesDue = view?.dueRetry ?? true
    const { steps } = chooser.plan({ room, slots: slots.cap(), retriesHeld: held, retriesDue })
    const epoch = circuit.epoch
    const found: (Call & { turn: undefined })[] = []
    let left = false
    for (const { only, upTo } of steps) {
      const count = Math.min(upTo, room - found.length)
      if (count <= 0) continue
      const keptAt = performance.now()
      const claimed = await claimSome({ queue: target.name, count, only }, found.length > 0)
      left ||= claimed.length === count
      const isRetry = only === 'retries'
      found.push(
        ...claimed.map((delivery) => ({ delivery, keptAt, isRetry, epoch, turn: undefined })),
      )
    }
    // Retries that may not be claimed yet are due all the same.
    left ||= retriesDue && !steps.some(({ only, upTo }) => only === 'retries' && upTo > 0)
    const retries = found.filter((call) => call.isRetry).length
    chooser.claimed({ first: found.length - retries, retries })
    return { found, left }
  }

  async function claimSome(wanted: JobsWanted, isMore: boolean): Promise<ClaimedDelivery[]> {
    try {
      return await claimDeliveries(deps, wanted)
    } catch (error) {
      if (!isTransient(error)) return claimOneByOne(deps, wanted)
      if (!isMore) throw error
      // What is claimed already must be called; the rest is claimed another time.
      deps.log.warn({ err: error, target: target.name }, 'cannot claim deliveries, trying again')
      return []
    }
  }

  async function carryOut(call: Call) {
    calls.add(call)
    const { delivery, turn, keptAt } = call
    const isTurn = turn ? await pace.take(turn, stopping.signal).catch(() => false) : true
    if (isTurn && mayStillCall(call))
      settling.add({ delivery, call: await make(call), keptAt: call.keptAt })
    else settling.add({ delivery, keptAt })
    calls.delete(call)
    workerSlots.giveBack(applicant, 1)
    bell.ring()
  }

  // Between claim and call the worker may have been frozen, the target paused, or its circuit opened.
  function mayStillCall({ epoch, keptAt }: Call): boolean {
    if (stopping.signal.aborted || view?.paused || slots.cap() === 0) return false
    if (performance.now() - keptAt > ownForMs) return false
    if (circuit.circuit === 'closed') return true
    return circuit.circuit !== 'open' && circuit.epoch === epoch
  }

  async function make(call: Call) {
    const { delivery, epoch } = call
    const isProbe = circuit.circuit === 'probing'
    const begunAt = performance.now()
    call.begunAt = begunAt
    const refused = refuseToCall(target, delivery)
    if (refused) return { delivery, end: refused, begunAt, epoch, isProbe, wasCalled: false }
    const underWay = callTarget(target, delivery)
    call.cut = underWay.cut
    const end = await underWay.end
    // Thousands may wait to be settled, which needs the ids only.
    delete delivery.told
    return { delivery, end, begunAt, epoch, isProbe, wasCalled: true }
  }

  async function run() {
    while (!stopping.signal.aborted) {
      try {
        if (!(await fill())) await bell.wait()
      } catch (error) {
        mayBeMore = true
        deps.log.warn({ err: error, target: target.name }, 'cannot claim deliveries, trying again')
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  const isBusy = () => claiming || calls.size > 0 || settling.count() > 0

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
    onAbort(settlingDeadline, bell.ring)
    // A claim under way may have taken deliveries; a database that hangs must not keep us.
    await Promise.race([running, untilAborted(settlingDeadline)])
    while (calls.size > 0 && !settlingDeadline.aborted) await bell.wait()
  }

  const running = run()
  return {
    target: target.name,
    wake() {
      mayBeMore = true
      bell.ring()
    },
    observe(found) {
      const limitsChanged = view?.concurrency !== found.concurrency || view.paused !== found.paused
      const epoch = circuit.epoch
      view = found
      circuit.learn(target.circuit ? found : { ...found, circuit: 'closed' })
      pace.heed(found.rate)
      mayBeMore ||= found.dueNew || found.dueRetry
      // What other workers gave back, or lack, is seen by asking.
      const wantsMore = mayBeMore && slots.cap() <= calls.size && slots.cap() < found.concurrency
      if (limitsChanged || wantsMore || circuit.epoch !== epoch) slots.outdate()
      void tendLease()
      bell.ring()
    },
    isIdle: () => !isBusy() && (!mayBeMore || isResting()),
    async stop(deadlines) {
      stopping.abort()
      clearTimeout(roomTimer)
      bell.ring()
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
