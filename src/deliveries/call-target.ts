import { NoOrder } from '#targets/no-order.ts'
import { delivered, giveUp, type Outcome, tryAgain, uncertain } from '#targets/outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import type { Call, Target } from '#targets/target.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'
import { readTold } from './read-told.ts'

/** An attempt's end: what the target answered, or that the worker stopped before it did. */
export type CallEnd = {
  outcome: Outcome | { kind: 'handed-back'; reason: string } | Withdrawn
  /** The target may have been told, which its lookup has to say before it is called again. */
  askFirst: boolean
  durationMs: number
  /** It was not called, because its workers die of it: what it is suspected of is not over. */
  stillSuspect?: boolean
  /** We ended it: that says nothing about the target. */
  cutShort?: boolean
}

/** It was not called: its order was cancelled, and it need not be told any more. */
type Withdrawn = { kind: 'withdrawn'; reason: string }

export type CallUnderWay = {
  /** Never rejects. Comes within the target's deadline, or shortly after `cut`. */
  end: Promise<CallEnd>
  /** Ends the call early: the worker stops, or the delivery is another's now. */
  cut: () => void
}

/**
 * Makes one call, with no transaction or connection open. It ends at the target's deadline even when the
 * target's code ignores its signal. `isOurs` says whether the delivery cannot have been given to another
 * worker: asked between the lookup and the call.
 */
export function callTarget(
  target: Target,
  delivery: ClaimedDelivery,
  isOurs: () => boolean,
): CallUnderWay {
  const began = performance.now()
  const controller = new AbortController()
  const { promise, resolve } = Promise.withResolvers<Told>()
  let grace: NodeJS.Timeout | undefined
  let isCut = false
  const abort = () => {
    if (controller.signal.aborted) return
    controller.abort()
    grace = setTimeout(() => resolve({ outcome: uncertain(noAnswer(target)) }), graceMs)
  }
  const deadline = setTimeout(abort, target.timeoutSeconds * 1_000)
  void tell(target, { delivery, signal: controller.signal, isOurs }).then(resolve)
  return {
    end: promise.then(({ outcome, askFirst }) => {
      clearTimeout(deadline)
      clearTimeout(grace)
      return {
        outcome: isCut ? handBack(target, outcome) : outcome,
        askFirst: askFirst ?? mayBeTold(outcome),
        durationMs: Math.round(performance.now() - began),
        cutShort: isCut,
      }
    }),
    cut() {
      isCut ||= !controller.signal.aborted
      abort()
    },
  }
}

// Time for a well-behaved target to say itself how far it got when its signal aborted.
const graceMs = 500

type Told = { outcome: Outcome | Withdrawn; askFirst?: boolean }

/** Asks first when the previous attempt may have reached the target and the target can be asked. */
async function tell(
  target: Target,
  {
    delivery,
    signal,
    isOurs,
  }: { delivery: ClaimedDelivery; signal: AbortSignal; isOurs: () => boolean },
): Promise<Told> {
  const { attempt, messageId } = delivery
  const announce = delivery.told?.announce
  try {
    // Assigned to, not spread: spreading would parse the order for a target that never looks at it.
    const call: Call = Object.assign(readTold(delivery), {
      attempt,
      idempotencyKey: idempotencyKey(target.name, messageId),
      signal,
    })
    if (delivery.askFirst && target.lookup) {
      const found = await target.lookup(call)
      if (found.kind === 'known') return { outcome: delivered(found.answer) }
      // Still unknown: whatever comes of this attempt, the next one asks again.
      if (found.kind === 'no-answer') return { outcome: tryAgain(found.reason), askFirst: true }
      if (signal.aborted || !isOurs()) return { outcome: tryAgain(tooLate), askFirst: true }
    }
    if (!delivery.askFirst && target.isObsolete) {
      // Whoever cancels the order from here on is too late.
      if (await target.isObsolete(call)) return { outcome: withdrawn }
      if ((await announce?.()) === false) return { outcome: tryAgain(notOurs) }
      // It took a while: the deadline is over, or somebody else has it.
      if (signal.aborted || !isOurs()) return { outcome: tryAgain(tooLate) }
    }
    return { outcome: await target.call(call) }
  } catch (error) {
    // Of the same message it would be looked for in vain again.
    if (error instanceof NoOrder) return { outcome: giveUp(error.message) }
    const outcome = signal.aborted ? uncertain(noAnswer(target)) : tryAgain(reasonOf(error))
    return { outcome }
  }
}

function mayBeTold(outcome: Told['outcome']): boolean {
  return outcome.kind === 'uncertain' || (outcome.kind === 'give-up' && outcome.mayBeTold === true)
}

const withdrawn = { kind: 'withdrawn', reason: 'The order was cancelled.' } as const

const tooLate = 'What had to be asked first took too long to call.'

const notOurs = 'It was decided on, or given to another worker, before it was called.'

/** The same for every attempt of a delivery, and different for every target. */
export function idempotencyKey(target: string, messageId: string): string {
  return `${target}-${messageId}`
}

function noAnswer(target: Target): string {
  return `No answer within ${target.timeoutSeconds} s.`
}

// A stop is nobody's failure and costs no attempt. Only a call that may have reached a target which must
// not be called twice, and cannot be asked, stays uncertain.
function handBack(target: Target, outcome: Told['outcome']): CallEnd['outcome'] {
  switch (outcome.kind) {
    case 'delivered':
    case 'give-up':
    case 'withdrawn':
      return outcome
    case 'uncertain':
      return target.idempotent || target.lookup
        ? handedBack
        : uncertain('Sent; the worker stopped before an answer.')
    case 'try-again':
      return handedBack
    default:
      return outcome satisfies never
  }
}

const handedBack = { kind: 'handed-back', reason: 'The worker stopped.' } as const
