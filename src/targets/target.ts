import type { Order } from '#messages/order.ts'

import type { Outcome } from './outcome.ts'

/** A target of the configuration file, checked, with every default filled in. */
export type Target = TargetOptions & {
  name: string
  kind: TargetKind
  /**
   * One try at telling the target. Expected failures are outcomes. Must end soon after `signal` aborts;
   * anything it throws counts as *try again*.
   */
  call(call: Call): Promise<Outcome>
  /** Closes the target's connections. */
  close(): Promise<void>
}

export type TargetKind = 'http' | 'email' | 'webhook' | 'custom'

/** The options every kind of target takes. Defaults: `targetDefaults`. */
export type TargetOptions = {
  /** Targets that have to be told of the same message first. */
  after: readonly string[]
  /** Seconds for one whole call: connect, headers and body. 1 … 3600. */
  timeoutSeconds: number
  /** Calls at a time in each worker process. 1 … 1000. */
  concurrency: number
  /** Whether repeating a call with the same Idempotency-Key is safe. False: an unanswered call becomes `uncertain`. */
  idempotent: boolean
  retry: RetrySchedule
}

/** Waits between `delaySeconds`·2ⁿ⁻¹ and twice that after the n-th failed attempt, at most `maxDelaySeconds`. */
export type RetrySchedule = {
  /** Attempts in all, the first included. 1 … 1000. */
  attempts: number
  /** 1 … 86 400. */
  delaySeconds: number
  /** At least `delaySeconds`, at most 86 400. */
  maxDelaySeconds: number
}

/** Right for a slow ERP: 8 s answers are normal, an outage of 24 hours is survived, the first retry is soon. */
export const targetDefaults: TargetOptions = {
  after: [],
  timeoutSeconds: 30,
  concurrency: 20,
  idempotent: true,
  // 5 s, 10 s, 20 s … then hourly: more than 24 hours in all.
  retry: { attempts: 35, delaySeconds: 5, maxDelaySeconds: 3_600 },
}

/** What a target is given to make one call. */
export type Call = {
  order: OrderToTell
  message: MessageToTell
  /** 1 for the first try. */
  attempt: number
  /** The same for every attempt of this delivery. */
  idempotencyKey: string
  /** Aborts at the deadline and when the worker stops. */
  signal: AbortSignal
}

/** The order as the storefront sent it, with its Orderwheel id. */
export type OrderToTell = Order & { id: string; receivedAt: string }

export type MessageToTell = {
  id: string
  kind: string
  payload: unknown
  /** ISO 8601. */
  createdAt: string
}
