import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

import { onlyDeployment, type Deployment } from '#base/deployment.ts'
import { repeatPass } from '#base/repeat-pass.ts'
import { untilAborted } from '#base/until-aborted.ts'
import { watchAnswers } from '#base/watch-answers.ts'
import { forgetOldCounts } from '#limits/count-attempts.ts'
import { countBacklogs } from '#limits/count-backlogs.ts'
import { reapLeases } from '#limits/reap-leases.ts'
import { lostAfterSeconds } from '#base/lost-after.ts'
import type { Target } from '#targets/target.ts'

import { besideOrAlone } from './beside-or-alone.ts'
import { lookAround, type TargetView } from './look-around.ts'
import { type Place, releaseStranded } from './release-stranded.ts'
import { rescueLost } from './rescue-lost.ts'
import { shareSlots } from './share-slots.ts'
import { callSecondsAtStop } from './stop-deadline.ts'
import { createTally } from './tally.ts'
import { type Pump, startPump } from './target-pump.ts'
import { watchOwner } from './watch-owner.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type WorkerOptions = Omit<WorkerDeps, 'worker' | 'deployment'> & {
  /** Default: the only one there is. */
  deployment?: Deployment
  targets: readonly Target[]
  /** The names of those this worker calls; all when absent. */
  only?: readonly string[]
  /** Calls this process can have in flight, to all targets together. Default 1000. */
  slots?: number
  /** Seconds from `stop()` until what is in flight is handed back and settled. */
  stopSeconds?: number
}

export type Worker = {
  /** These targets (all when empty) may have due jobs: look now. */
  wake(targets?: readonly string[]): void
  /** Something about a target was changed: its limits, a pause, its circuit. */
  refresh(): void
  /** Resolves when no job is due that may be called, nothing is in flight and everything is settled. */
  drained(signal: AbortSignal): Promise<void>
  /** Finishes or hands back what is in flight, within the stop deadline. May be called twice. */
  stop(): Promise<void>
}

// Below the 15 s after which a platform kills a process that was asked to stop.
const defaultStopSeconds = 10
const defaultSlots = 1_000
// The floor beneath lost notifications, and how retries that come due are noticed.
const pollMs = 1_000
// More than one heartbeat (a third of 10 s), less than what makes a job count as lost.
const steadyBeforeRescueMs = 5_000
// How soon a delivery that waits for nothing any more is noticed, which should never be needed.
const strandedMs = 60_000
// How late the numbers of a status may be.
const countMs = 2_500

/** Starts a pump per target, and what they share: looking around and rescuing what lost workers held. */
export function startWorker(options: WorkerOptions): Worker {
  const { only, stopSeconds = defaultStopSeconds, db, boss, log } = options
  const worker = `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`
  const deployment = options.deployment ?? onlyDeployment
  const deps: WorkerDeps = { ...options, worker, deployment }
  const shared = {
    workerSlots: shareSlots(options.slots ?? defaultSlots),
    gate: besideOrAlone(),
    tally: createTally(deps),
  }
  const pumps = options.targets
    .filter((target) => !only || only.includes(target.name))
    .map((target) => startPump(target, deps, shared))
  const names = pumps.map((pump) => pump.target)
  const database = watchAnswers(3 * pollMs)
  const hasStepped = watchClock()
  const owner = watchOwner(deps)

  function wake(targets: readonly string[] = []) {
    for (const pump of pumps) {
      if (targets.length === 0 || targets.includes(pump.target)) pump.wake()
    }
  }

  /** Answers the targets with due jobs that may be called. */
  async function look(): Promise<number> {
    const known = new Map(pumps.map((pump) => [pump.target, pump.epoch()]))
    const { fit, targets: views } = await lookAround(db, names, deployment)
    database.answered()
    if (await owner.observe(fit)) return look()
    if (hasStepped(views[0]?.serverMs)) database.interrupted()
    for (const view of views) {
      const pump = pumps.find(({ target }) => target === view.name)
      pump?.observe(view, known.get(view.name) ?? -1)
    }
    if (views.some((view) => view.hasLost)) await rescue()
    return views.filter(isCallable).filter((view) => view.dueNew || view.dueRetry).length
  }

  // After an outage every heartbeat looks old: first each worker gets the time to beat again.
  async function rescue() {
    if (database.steadyMs() < steadyBeforeRescueMs) return
    for (const lease of await reapLeases(db, lostAfterSeconds)) {
      log.warn({ ...lease }, 'slots of a lost worker taken back')
    }
    const rescued = await rescueLost(db, boss, names)
    for (const [target, found] of rescued) {
      log.warn({ target, ...found }, 'jobs of a lost worker taken back')
      wake([target])
    }
  }

  const places = new Map<string, Place | undefined>()
  async function sweep() {
    await forgetOldCounts(db)
    for (const target of names) {
      const step = await releaseStranded(deps, { target, from: places.get(target) })
      places.set(target, step.next)
      if (step.released.length === 0) continue
      log.warn({ target }, 'released a delivery that waited for nothing')
      deps.jobsAdded(step.released)
    }
  }

  const onError = (error: unknown) =>
    log.warn({ err: error }, 'the database did not answer, trying again')
  const counting = repeatPass(shared.tally.writeDown, { everyMs: countMs, onError })
  const poll = repeatPass(look, { everyMs: pollMs, onError })
  const sweeping = repeatPass(sweep, { everyMs: strandedMs, onError })
  // Apart from the sweep: a backlog that takes longer to count than a statement may take must not end it.
  const backlogs = repeatPass(() => countBacklogs(db), { everyMs: strandedMs, onError })
  poll.runNow()
  let stopped: Promise<void> | undefined
  log.info({ targets: names }, 'worker started')

  return {
    wake,
    refresh: poll.runNow,
    drained: (signal) => untilDrained(pumps, look, signal),
    stop() {
      stopped ??= stopAll()
      return stopped
    },
  }

  async function stopAll() {
    const calls = AbortSignal.timeout(Math.round(callSecondsAtStop(stopSeconds) * 1_000))
    const settling = AbortSignal.timeout(Math.round(stopSeconds * 1_000))
    const loops = [poll, sweeping, backlogs, counting].map((loop) => loop.stop())
    await Promise.all(pumps.map((pump) => pump.stop({ calls, settling })))
    const last = () => shared.tally.writeDown().catch(onError)
    // A pass may hang in a database that does not answer; it writes nothing that matters.
    await Promise.race([Promise.all(loops).then(last), untilAborted(settling)])
    log.info({ targets: names }, 'worker stopped')
  }
}

/** Says of the server's clock whether it went otherwise than time: set, or another server's after a failover. */
function watchClock(): (serverMs: number | undefined) => boolean {
  let behindMs: number | undefined
  return (serverMs) => {
    if (serverMs === undefined) return false
    const before = behindMs
    behindMs = serverMs - performance.now()
    return before !== undefined && Math.abs(behindMs - before) > clockStepMs
  }
}

// More than an answer may be late, less than what makes a worker look lost.
const clockStepMs = 3_000

function isCallable({ paused, circuit, probeDue }: TargetView): boolean {
  return !paused && (circuit !== 'open' || probeDue)
}

async function untilDrained(
  pumps: readonly Pump[],
  look: () => Promise<number>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    // Idle before the look: nothing could be settled, and so released, behind its back. And after it.
    const idle = () => pumps.every((pump) => pump.isIdle())
    if (idle() && (await look()) === 0 && idle()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
