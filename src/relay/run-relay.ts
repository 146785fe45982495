import type { Log } from '#base/log.ts'
import { createWakeUp } from '#base/wake-up.ts'
import { isTransient } from '#database/transient-error.ts'
import { refuseMessage } from '#outbox/refuse-message.ts'
import { dueMessages } from '#outbox/due-messages.ts'

import { type RelayDeps, relayBatch } from './relay-batch.ts'

export type RelayOptions = RelayDeps & {
  log: Log
  /** Called with the targets that got jobs, after the commit. */
  jobsAdded: (targets: readonly string[]) => void
}

export type Relay = {
  /** There may be something in the outbox: look now. */
  wake: () => void
  /** Finishes the batch under way. May be called twice. */
  stop(): Promise<void>
}

// Large enough to amortise the transaction, small enough to commit within tens of milliseconds.
const batchSize = 500
// The floor beneath lost notifications.
const pollSeconds = 0.5
const pauseAfterFailureSeconds = 1

/** Repeats `relayOnce`: at once while batches are full, else when woken or after half a second. */
export function startRelay(options: RelayOptions): Relay {
  const bell = createWakeUp()
  let stopping = false

  async function run() {
    while (!stopping) {
      try {
        if ((await relayOnce(options)) < batchSize && !stopping) await bell.wait(pollSeconds)
      } catch (error) {
        options.log.warn({ err: error }, 'relay failed, trying again')
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  const running = run()
  return {
    wake: bell.ring,
    async stop() {
      stopping = true
      bell.ring()
      await running
    },
  }
}

/** Relays until nothing is due or `signal` aborts; answers how many messages. For cron-style deployments. */
export async function drainOutbox(options: RelayOptions, signal: AbortSignal): Promise<number> {
  let total = 0
  for (;;) {
    const relayed = await relayOnce(options)
    total += relayed
    if (relayed === 0 || signal.aborted) return total
  }
}

/**
 * Relays one batch and answers how many messages it dealt with. When the batch as a whole fails, its
 * messages are relayed one by one, and those that fail alone are refused: kept in the outbox with the
 * reason, while the others go on.
 */
async function relayOnce(options: RelayOptions): Promise<number> {
  try {
    const relayed = await relayBatch(options, { limit: batchSize })
    if (relayed.targets.length > 0) options.jobsAdded(relayed.targets)
    return relayed.messages
  } catch (error) {
    if (isTransient(error)) throw error
    return relayOneByOne(options)
  }
}

async function relayOneByOne(options: RelayOptions): Promise<number> {
  const ids = await dueMessages(options.db, batchSize)
  for (const only of ids) {
    try {
      const relayed = await relayBatch(options, { limit: 1, only })
      if (relayed.targets.length > 0) options.jobsAdded(relayed.targets)
    } catch (error) {
      if (isTransient(error)) throw error
      const reason = error instanceof Error ? error.message : String(error)
      await refuseMessage(options.db, only, reason)
      options.log.error({ messageId: only, reason }, 'message refused, kept in the outbox')
    }
  }
  return ids.length
}
