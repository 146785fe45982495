import type { MessageKind } from '#messages/message-kinds.ts'
import type { Order } from '#messages/order.ts'
import type { RequestEditing } from '#targets/http/edit-request.ts'

import type { EarlierAnswers } from './earlier-answers.ts'
import type { Answer, MadeFile, Outcome } from './outcome.ts'

/** A target of the configuration file, checked, with every default filled in. */
export type Target = TargetOptions & {
  name: string
  kind: TargetKind
  /**
   * One try at telling the target. Expected failures are outcomes. Must end soon after `signal` aborts;
   * anything it throws counts as *try again*.
   */
  call(call: Call): Promise<Outcome>
  /**
   * Asks the target whether it was told already, after an attempt that may have reached it. Like `call`.
   * Without it, such a delivery is repeated when the target is idempotent, and else left to a person.
   */
  lookup?: (call: Call) => Promise<LookedUp>
  /**
   * Asked right before it is called, unless an attempt before may have reached it: whether the order was cancelled meanwhile
   * and it need not be told of this any more. Absent: it is told. With it, each call is written down before it is made,
   * so that a worker which dies before leaves no doubt.
   */
  isObsolete?: (call: Call) => Promise<boolean>
  /** With `withdrawWhenCancelled`: it is told of the cancellation all the same, and what died does not hold that up. */
  hearsOfCancellation?: true
  /** The kinds of message of which `after` holds. Absent: of all. */
  afterOnly?: readonly MessageKind[]
  /** Lets an operator correct what is sent for one order. Absent: only its code knows what that is. */
  editing?: RequestEditing
  /** Where it is told, without anything that may be a secret. Absent: only its code knows. */
  address?: string
  /** Closes the target's connections. */
  close(): Promise<void>
}

/** `reports` is built in: a configuration names none of that kind. */
export type TargetKind = ConfigurableKind | 'reports'

export type ConfigurableKind =
  | 'http'
  | 'batch'
  | 'email'
  | 'webhook'
  | 'receipt'
  | 'audit'
  | 'custom'

/** What a target says when it is asked whether it was told: `known`, it was; `unknown`, it was not. */
export type LookedUp =
  | { kind: 'known'; answer?: Answer }
  | { kind: 'unknown' }
  /** It could not be asked, or does not know: asked again, by the retry schedule. */
  | { kind: 'no-answer'; reason: string }

/** The options every kind of target takes. Defaults: `targetDefaults`. */
export type TargetOptions = {
  /** Targets that have to be told of the same message first. */
  after: readonly string[]
  /** Seconds for one whole call: connect, headers and body. 1 … 3600. */
  timeoutSeconds: number
  /** Calls at a time by all workers together. 1 … 1000. */
  concurrency: number
  /** Calls that may begin in any `perSeconds`, by all workers together. Null: no limit. */
  rate: Rate | null
  /** When to stop calling a target that fails, for all workers. Null: never. */
  circuit: CircuitOptions | null
  /** Who goes first where a worker cannot serve all. */
  priority: 'high' | 'normal' | 'low'
  /** Whether repeating a call with the same Idempotency-Key is safe. False: an unanswered call becomes `uncertain`. */
  idempotent: boolean
  retry: RetrySchedule
  /** Whether an order that was cancelled before this target was first called about it is never told to it. */
  withdrawWhenCancelled: boolean
  /** Beyond how many open deliveries further ones are shed: recorded, and not told. Null: everything is told. */
  droppable: Droppable | null
  /** Days that a closed dead letter is kept, 1 … 36 500. Null: for ever. */
  keepLettersDays: number | null
}

/** Sheds from `maxOpen` open deliveries on, 1 … 100 000, until half as many are open. */
export type Droppable = { maxOpen: number }

/** At most `max` (1 … 1 000 000) in any `perSeconds` (0.1 … 86 400), however the period is laid. */
export type Rate = { max: number; perSeconds: number }

export type CircuitOptions = {
  /** Opens after this many failed calls in a row. 1 … 1000. */
  failuresInARow: number
  /** Opens when this share of at least `minimumCalls` within `windowSeconds` failed. Above 0, at most 1. */
  failureRate: number
  /** 1 … 10 000. */
  minimumCalls: number
  /** 1 … 3600. */
  windowSeconds: number
  /** The first probe comes this long after opening; each failed one doubles the wait. 1 … 3600. */
  probeAfterSeconds: number
  /** At least `probeAfterSeconds`, at most 3600. */
  maxProbeAfterSeconds: number
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

/** Five failures in a row are no coincidence, and after an outage a target is found within a minute. */
export const circuitDefaults: CircuitOptions = {
  failuresInARow: 5,
  failureRate: 0.5,
  minimumCalls: 20,
  windowSeconds: 30,
  probeAfterSeconds: 5,
  maxProbeAfterSeconds: 60,
}

/** Some megabytes of rows and a minute's work for most targets; counting them takes the relay milliseconds. */
export const droppableDefaults: Droppable = { maxOpen: 10_000 }

/** Right for a slow ERP: 8 s answers are normal, an outage of 24 hours is survived, the first retry is soon. */
export const targetDefaults: TargetOptions = {
  after: [],
  timeoutSeconds: 30,
  concurrency: 20,
  rate: null,
  circuit: circuitDefaults,
  priority: 'normal',
  idempotent: true,
  // 5 s, 10 s, 20 s … then hourly: more than 24 hours in all.
  retry: { attempts: 35, delaySeconds: 5, maxDelaySeconds: 3_600 },
  withdrawWhenCancelled: false,
  droppable: null,
  keepLettersDays: null,
}

/** What a target is given to make one call. */
export type Call = {
  /**
   * Read when it is first looked at: copying a call with `...` reads it. Throws NoOrder when the message is about none
   * (`message.orderId` is null), which only one of a kind that the configuration declares can be.
   */
  readonly order: OrderToTell
  message: MessageToTell
  /** What those answered that had to be told before: `answers.erp?.value`. */
  answers: EarlierAnswers
  /** 1 for the first try. */
  attempt: number
  /** The same for every attempt of this delivery. */
  idempotencyKey: string
  /** Reads what a target made of the order, from the database. Undefined: nothing yet. */
  file: (target: string) => Promise<MadeFile | undefined>
  /** Reads how the order stands at this moment, from the database. */
  standing: () => Promise<Standing>
  /** What an operator wrote, to be sent instead of what the configuration makes of the order: see `editing`. */
  edited?: unknown
  /** Aborts at the deadline and when the worker stops. */
  signal: AbortSignal
}

/** How an order stands, as a target is concerned that is told of one of its messages. */
export type Standing = {
  /** Whoever has heard of it by now. */
  isCancelled: boolean
  /** Of those that had to be told of the message before: who was not, after all. */
  untold: { target: string; state: string }[]
  /** The deliveries of the message to other targets, whether or not these had to be told before. */
  others: OtherDelivery[]
  /** It was given up once, and a person wants it told all the same. */
  isReplayed: boolean
  /** The kinds of message of the order that this target was told of. */
  told: string[]
}

export type OtherDelivery = {
  target: string
  state: string
  /** What its target made of the order (`Call.file`), it made of this message or of a later one. */
  hasFile: boolean
  /** It waits for this one, or for one that does. */
  isAfterThis: boolean
}

/** The order as the storefront sent it, with its Orderwheel id. */
export type OrderToTell = Order & { id: string; receivedAt: string }

export type MessageToTell = {
  id: string
  kind: string
  /** Null: it is about none. */
  orderId: string | null
  payload: unknown
  /** ISO 8601. */
  createdAt: string
}
