import { untilAborted } from '#base/until-aborted.ts'
import { createWakeUp } from '#base/wake-up.ts'
import { isTransient } from '#database/transient-error.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'
import type { Settlement } from './decide-settlement.ts'
import { settleDeliveries } from './settle-deliveries.ts'
import type { WorkerDeps } from './worker-deps.ts'

export type SettleLoop = {
  add(settlement: Settlement): void
  /** Ended calls whose outcome is not yet committed. */
  unsettled(): ClaimedDelivery[]
  /** Resolves when everything is settled, or soon after `deadline` aborts. */
  finish(deadline: AbortSignal): Promise<void>
}

// Bounds one transaction; ended calls that arrive meanwhile form the next batch.
const batchSize = 500
const pauseAfterFailureSeconds = 0.5

/** Settles ended calls in bulk, one transaction at a time, and repeats what the database could not take. */
export function startSettling(target: string, deps: WorkerDeps, onSettled: () => void): SettleLoop {
  const bell = createWakeUp()
  const waiting: Settlement[] = []
  let underWay: Settlement[] = []
  let finishing: AbortSignal | undefined

  async function settle(batch: Settlement[], release: 'now' | 'later' = 'now') {
    const { settlements, released } = await settleDeliveries(deps, target, batch, { release })
    logEnds(deps, target, settlements)
    if (settlements.length < batch.length) {
      const lost = batch.length - settlements.length
      deps.log.warn({ target, lost }, 'attempts ended after another worker took their jobs')
    }
    if (released.length > 0) deps.jobsAdded(released)
  }

  // A batch that fails for a reason of its own is settled one by one, at first as ever, then without
  // releasing what waits: a call that was made must not be made again for the sake of another delivery.
  // What fails even so is left to the heartbeat: its job runs again, and the attempt shows as abandoned.
  async function settleOneByOne(batch: Settlement[]) {
    for (const settlement of batch) {
      try {
        await settle([settlement]).catch((error: unknown) => {
          if (isTransient(error)) throw error
          deps.log.error({ err: error, target }, 'nothing can be released, settling without')
          return settle([settlement], 'later')
        })
      } catch (error) {
        if (isTransient(error)) throw error
        const { delivery, outcome } = settlement
        const { job, order, message, attempt } = delivery
        deps.log.error(
          {
            err: error,
            target,
            orderId: order.id,
            messageId: message.id,
            jobId: job.id,
            attempt,
            outcome,
          },
          'attempt cannot be settled',
        )
      }
    }
  }

  // One by one, only what is transient is thrown; what was settled before that is settled, and the fence
  // keeps it from being settled again.
  async function settleBatch(batch: Settlement[]) {
    let write: (batch: Settlement[]) => Promise<void> = settle
    for (;;) {
      try {
        return await write(batch)
      } catch (error) {
        if (!isTransient(error)) {
          write = settleOneByOne
          continue
        }
        deps.log.warn({ err: error, target }, 'cannot settle, trying again')
        if (finishing?.aborted) return
        await bell.wait(pauseAfterFailureSeconds)
      }
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
    add(settlement) {
      waiting.push(settlement)
      bell.ring()
    },
    unsettled: () => [...underWay, ...waiting].map((settlement) => settlement.delivery),
    async finish(deadline) {
      finishing = deadline
      bell.ring()
      await Promise.race([running, untilAborted(deadline)])
    },
  }
}

function logEnds({ log }: WorkerDeps, target: string, settlements: Settlement[]): void {
  for (const { delivery, outcome, state, reason, durationMs } of settlements) {
    const { order, message, job, attempt } = delivery
    const fields = {
      orderId: order.id,
      messageId: message.id,
      jobId: job.id,
      target,
      attempt,
      outcome,
    }
    if (state === 'delivered') log.info({ ...fields, durationMs }, 'delivered')
    else log.warn({ ...fields, state, reason, durationMs }, 'not delivered')
  }
}
