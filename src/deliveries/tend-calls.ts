import { repeatPass, type Repetition } from '#base/repeat-pass.ts'
import { lostAfterSeconds } from '#base/lost-after.ts'
import { keepJobs } from '#queues/jobs.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'
import { markActive } from './mark-active.ts'
import type { WorkerDeps } from './worker-deps.ts'

/** A delivery in this worker's hands, from its claim until its outcome is committed. */
export type HeldDelivery = {
  delivery: ClaimedDelivery
  /** Before when it was surely ours (performance.now()): nobody else has taken it for `ownForMs` from then. */
  keptAt: number
  /** When its call began (performance.now()); absent before and after it. */
  begunAt?: number
  /** Ends the call early. */
  cut?: () => void
  /** Shown as `active` already. */
  marked?: boolean
}

/** For how long after its claim or last heartbeat a delivery cannot have been given to another worker. */
export const ownForMs = (lostAfterSeconds - 1) * 1_000

const tendEveryMs = 1_000
// Two that are lost cost nothing.
const beatEveryMs = (lostAfterSeconds * 1_000) / 3
const longCallMs = 1_000

/**
 * Shows calls that take long, and says every few seconds that what is held is still being worked on. Silence
 * for `lostAfterSeconds` costs the delivery: another worker takes it, and the fence keeps us out. A call
 * whose delivery turns out to be another's is ended.
 */
export function tendCalls(
  target: string,
  { db, log, worker }: WorkerDeps,
  held: () => HeldDelivery[],
): Pick<Repetition, 'stop'> {
  let beatenAt = performance.now()

  async function mark() {
    const now = performance.now()
    const long = held().flatMap((call) =>
      !call.marked && call.begunAt !== undefined && now - call.begunAt >= longCallMs
        ? [{ call, delivery: call.delivery, begunAt: call.begunAt }]
        : [],
    )
    if (long.length === 0) return
    await markActive(db, { target, worker, calls: long })
    for (const { call } of long) call.marked = true
  }

  async function beat() {
    if (performance.now() - beatenAt < beatEveryMs) return
    const askedAt = performance.now()
    beatenAt = askedAt
    const beating = held()
    if (beating.length === 0) return
    const jobs = beating.map(({ delivery }) => delivery.job)
    const { kept, lost } = await keepJobs(db, { queue: target, held: jobs })
    const still = new Set(held())
    for (const call of beating) {
      if (kept.has(call.delivery.job.id)) call.keptAt = askedAt
      else if (lost.has(call.delivery.job.id) && still.has(call)) giveUp(call)
    }
  }

  // One that has not been called yet must not be any more.
  function giveUp(call: HeldDelivery) {
    call.keptAt = -Infinity
    call.cut?.()
  }

  const onError = (error: unknown) => log.warn({ err: error, target }, 'heartbeat failed')
  // Apart: a mark may have to wait for a row that somebody has locked, a heartbeat must not.
  const passes = [mark, beat].map((pass) => repeatPass(pass, { everyMs: tendEveryMs, onError }))
  return { stop: async () => void (await Promise.all(passes.map((pass) => pass.stop()))) }
}
