import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'

import type { Log } from '#base/log.ts'
import { repeatPass } from '#base/repeat-pass.ts'
import { createWakeUp } from '#base/wake-up.ts'
import { isTransient } from '#database/transient-error.ts'
import { endShedding, type SheddingChange } from '#limits/shedding.ts'
import {
  type DueMessage,
  dueMessages,
  hasDueMessage,
  refusedMessagesDue,
} from '#outbox/due-messages.ts'
import { refuseMessage } from '#outbox/refuse-message.ts'

import { type RelayDeps, type Relayed, relayBatch } from './relay-batch.ts'
import { createShedder } from './shedder.ts'

export type RelayOptions = Omit<RelayDeps, 'shedder'> & {
  log: Log
  /** Called with the targets that got jobs, after the commit. */
  jobsAdded: (targets: readonly string[]) => void
  /** The floor beneath lost notifications. Default 1.5: with a worker's look each second, less than 2 a second in all. */
  pollSeconds?: number
}

export type Relay = {
  /** There may be something in the outbox: look now. */
  wake: () => void
  /** Finishes the batches under way. May be called twice. */
  stop(): Promise<void>
}

// Large enough to amortise the transaction, small enough to commit within tens of milliseconds.
const batchSize = 500
// One waits for its commit and for its jobs while the other is written: on two cores, 1.9 times what one relays.
const batchesAtATime = 2
// Refused messages are tried one by one, a few at a time: what comes new goes first.
const refusedAtATime = 20
const pauseAfterFailureSeconds = 1
// How late it is noticed, while no message comes, that a target need not shed any more.
const endsWithinMs = 60_000

/** Repeats `relayOnce`: at once while batches are full, else when woken, or when a look now and then finds something. */
export function startRelay(given: RelayOptions): Relay {
  const options = withShedder(given)
  const { log, pollSeconds = 1.5 } = options
  const bell = createWakeUp()
  const stopping = new AbortController()

  async function run() {
    let isRung = true
    while (!stopping.signal.aborted) {
      try {
        // Idle, one small query; rung, straight to work.
        const isDue: boolean = isRung || (await hasDueMessage(options.db))
        const messages: number = isDue ? await relayOnce(options, stopping.signal) : 0
        isRung = messages >= batchSize
        if (!isRung && !stopping.signal.aborted) isRung = await bell.wait(pollSeconds)
      } catch (error) {
        log.warn({ err: error }, 'relay failed, trying again')
        await bell.wait(pauseAfterFailureSeconds)
      }
    }
  }

  // While messages come, they end it by themselves.
  const tend = async () => announceShedding(options, await endShedding(options.db, options.who))
  const onError = (error: unknown) => log.warn({ err: error }, 'relay failed, trying again')
  const tending = repeatPass(tend, { everyMs: endsWithinMs, onError })
  log.info('relay started')
  const running = run()
  return {
    wake: bell.ring,
    async stop() {
      stopping.abort()
      bell.ring()
      await tending.stop()
      await running
      log.info('relay stopped')
    },
  }
}

/**
 * Relays until nothing is due or `signal` aborts; answers how many messages. A database that goes away is
 * tried again until it is back; rejects when `signal` aborts meanwhile. For cron-style deployments.
 */
export async function drainOutbox(given: RelayOptions, signal: AbortSignal): Promise<number> {
  const options = withShedder(given)
  let total = 0
  for (;;) {
    try {
      const messages = await relayOnce(options, signal)
      total += messages
      if (messages === 0 || signal.aborted) return total
    } catch (error) {
      if (!isTransient(error) || signal.aborted) throw error
      options.log.warn({ err: error }, 'relay failed, trying again')
      await setTimeout(pauseAfterFailureSeconds * 1_000, undefined, { signal })
    }
  }
}

type Relaying = RelayOptions & Pick<RelayDeps, 'shedder'> & { who: string }

function withShedder(options: RelayOptions): Relaying {
  const who = `relay ${hostname()}:${process.pid}`
  return { ...options, who, shedder: createShedder(options.targets, who) }
}

/**
 * Relays one batch and, when it was full, what waits behind it; then a few refused messages whose time has
 * come. Answers how many messages it dealt with. When the batch as a whole fails, its messages are relayed
 * one by one, and those that fail alone are refused: kept in the outbox with the reason, while the others go on.
 */
async function relayOnce(options: Relaying, signal: AbortSignal): Promise<number> {
  let messages = await relayNew(options, signal)
  if (messages >= batchSize) messages += await relayBacklog(options, signal)
  const refused = await refusedMessagesDue(options.db, refusedAtATime)
  return messages + (await relayOneByOne(options, refused, signal))
}

async function relayNew(options: Relaying, signal: AbortSignal): Promise<number> {
  try {
    const relayed = await relayBatch(options, { limit: batchSize })
    announce(options, relayed)
    return relayed.messages
  } catch (error) {
    if (isTransient(error)) throw error
    return relayOneByOne(options, await dueMessages(options.db, batchSize), signal)
  }
}

/** Several batches at a time until one is not full, or fails: what made it fail is found by the next pass, alone. */
async function relayBacklog(options: Relaying, signal: AbortSignal): Promise<number> {
  let messages = 0
  async function relayFull() {
    let isFull = true
    while (isFull && !signal.aborted) {
      const relayed = await relayBatch(options, { limit: batchSize })
      announce(options, relayed)
      messages += relayed.messages
      isFull = relayed.messages === batchSize
    }
  }
  await Promise.allSettled(Array.from({ length: batchesAtATime }, relayFull))
  return messages
}

async function relayOneByOne(
  options: Relaying,
  messages: readonly DueMessage[],
  signal: AbortSignal,
): Promise<number> {
  for (const { position, id } of messages) {
    if (signal.aborted) break
    try {
      announce(options, await relayBatch(options, { only: position }))
    } catch (error) {
      if (isTransient(error)) throw error
      const reason = error instanceof Error ? error.message : String(error)
      await refuseMessage(options.db, position, reason)
      options.log.error({ messageId: id, reason }, 'message refused, kept in the outbox')
    }
  }
  return messages.length
}

function announce(options: Relaying, { targets, shedding }: Relayed): void {
  if (targets.length > 0) options.jobsAdded(targets)
  announceShedding(options, shedding)
}

function announceShedding({ log }: Relaying, changes: readonly SheddingChange[]): void {
  for (const { target, change } of changes) {
    if (change === 'shedding-began') log.warn({ target }, 'target sheds: too much is open for it')
    else log.info({ target }, 'target sheds no more')
  }
}
