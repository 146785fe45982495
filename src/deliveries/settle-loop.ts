import { untilAborted } from '#base/until-aborted.ts'
import { createWakeUp } from '#base/wake-up.ts'
import { isTransient } from '#database/transient-error.ts'
import { keepJobs } from '#queues/jobs.ts'
import type { Target } from '#targets/target.ts'

import type { CircuitView } from './circuit-view.ts'
import { type CountedCall, countCalls } from './count-calls.ts'
import { decideSettlement, giveBack, type Settlement } from './decide-settlement.ts'
import { logLost } from './log-lost.ts'
import { settleDeliveries } from './settle-deliveries.ts'
import type { Tally } from './tally.ts'
import type { HeldDelivery } from './tend-calls.ts'
import type { WorkerDeps } from './worker-deps.ts'

/** What became of a held delivery: its call ended, or it was not called after all, and is to be after so many seconds. */
export type Ended = HeldDelivery & { call?: CountedCall; againAfterSeconds?: number }

export type SettleLoop = {
  add(ended: Ended): void
  /** What ended and is not yet committed. */
  unsettled(): Ended[]
  count(): number
  /** Resolves when everything is settled, or soon after `deadline` aborts. */
  finish(deadline: AbortSignal): Promise<void>
}

export type SettleOptions = {
  target: Target
  view: CircuitView
  tally: Tally
  onSettled: () => void
}

// Bounds one transaction; calls that end meanwhile form the next batch.
const batchSize = 500
const pauseAfterFailureSeconds = 0.5

/** Settles ended calls in bulk, one transaction at a time, and repeats what the database could not take. */
export function startSettling(
  deps: WorkerDeps,
  { target, view, tally, onSettled }: SettleOptions,
): SettleLoop {
  const bell = createWakeUp()
  const waiting: Ended[] = []
  let underWay: Ended[] = []
  let finishing: AbortSignal | undefined

  async function settle(batch: Settlement[], release: 'now' | 'later' = 'now') {
    const { settlements, released } = await settleDeliveries(deps, target.name, batch, { release })
    tally.add(target.name, settlements)
    logEnds(deps, target.name, settlements)
    if (released.length > 0) deps.jobsAdded(released)
    const settled = new Set(settlements)
    const others = batch.filter((settlement) => !settled.has(settlement))
    await logLost(deps, target.name, others)
  }

  // A batch that fails for a reason of its own is settled one by one, at first as ever, then without
  // releasing what waits: a call that was made must not be made again for the sake of another delivery.
  // What fails even so is left to the heartbeat: its job runs again, and the attempt shows as abandoned.
  async function settleOneByOne(batch: Settlement[]) {
    for (const settlement of batch) {
      try {
        await settle([settlement]).catch((error: unknown) => {
          if (isTransient(error)) throw error
          deps.log.error(
            { err: error, target: target.name },
            'nothing can be released, settling without',
          )
          return settle([settlement], 'later')
        })
      } catch (error) {
        if (isTransient(error)) throw error
        deps.log.error(
          { err: error, ...fieldsOf(target.name, settlement) },
          'attempt cannot be settled',
        )
      }
    }
  }

  // What the calls say about the target comes first: whether an attempt is charged depends on it.
  async function decide(batch: readonly Ended[]): Promise<Settlement[]> {
    const calls = batch.flatMap(({ call }) => (call ? [call] : []))
    try {
      await countCalls(target, deps, view, calls)
    } catch (error) {
      if (isTransient(error)) throw error
      deps.log.error({ err: error, target: target.name }, 'the circuit cannot be told')
    }
    return batch.map(({ call, delivery, againAfterSeconds }) =>
      call ? decideSettlement(target, call) : giveBack(delivery, againAfterSeconds),
    )
  }

  /** Repeats what failed for a transient reason; undefined when there is no more time. */
  async function persistently<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (!isTransient(error)) throw error
        deps.log.warn({ err: error, target: target.name }, 'cannot settle, trying again')
        if (finishing?.aborted) return undefined
        await beat()
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  // While a transaction had these jobs locked, the heartbeat passed over them: it must not look as if we were lost.
  // When the database does not answer this either, the next try to settle says so.
  async function beat() {
    const held = underWay.map(({ delivery }) => delivery.job)
    await keepJobs(deps.db, { queue: target.name, held }).catch(() => {})
  }

  // One by one, only what is transient is thrown; what was settled before that is settled, and the fence
  // keeps it from being settled again.
  async function settleBatch(batch: readonly Ended[]) {
    const settlements = await persistently(() => decide(batch))
    if (!settlements) return
    try {
      await persistently(() => settle(settlements))
    } catch {
      await persistently(() => settleOneByOne(settlements))
    }
  }

  async function run() {
    while (!finishing || (waiting.length > 0 && !finishing.aborted)) {
      if (waiting.length === 0) {
        await bell.wait()
        continue
      }
      underWay = waiting.splice(0, batchSize)
      await settleBatch(underWay)
      underWay = []
      onSettled()
    }
  }

  const running = run()
  return {
    add(ended) {
      waiting.push(ended)
      bell.ring()
    },
    unsettled: () => [...underWay, ...waiting],
    count: () => underWay.length + waiting.length,
    async finish(deadline) {
      finishing = deadline
      bell.ring()
      await Promise.race([running, untilAborted(deadline)])
    },
  }
}

function logEnds({ log }: WorkerDeps, target: string, settlements: Settlement[]): void {
  for (const settlement of settlements) {
    const { attempt, state } = settlement
    if (!attempt) continue
    const { reason, durationMs, charged } = attempt
    const fields = fieldsOf(target, settlement)
    if (state === 'delivered') log.info({ ...fields, durationMs }, 'delivered')
    else log.warn({ ...fields, state, reason, charged, durationMs }, 'not delivered')
  }
}

function fieldsOf(target: string, { delivery, attempt }: Settlement) {
  const { orderId, messageId, job, attempt: number } = delivery
  return {
    orderId,
    messageId,
    jobId: job.id,
    target,
    attempt: number,
    outcome: attempt?.outcome,
  }
}
