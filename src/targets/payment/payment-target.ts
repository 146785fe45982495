import { isChargedPayment, type ChargedPayment } from '#messages/charged-payment.ts'
import type { MessageKind } from '#messages/message-kinds.ts'
import { RequestFailed, type BoundHttp } from '#targets/http/bind-http.ts'
import { classifyAnswer, notBeforeOf } from '#targets/http/classify-answer.ts'
import { explainMissingAnswer } from '#targets/http/explain-exchange.ts'
import { UnusableMapping } from '#targets/http/map-request.ts'
import { keepAnswer } from '#targets/keep-answer.ts'
import { delivered, giveUp, tryAgain, uncertain, type Outcome } from '#targets/outcome.ts'
import { readOutcome, storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import { targetDefaults, type Call, type Standing, type Target } from '#targets/target.ts'
import { withinDeadline } from '#targets/within-deadline.ts'

import type { ChangePayment, ChargeChange, PaymentOptions } from './payment-gateway.ts'

/** The target that a payment gateway with `capture`, `void` or `refund` makes of itself. */
export const paymentTargetName = 'payment'

/** What the payment target is told of, without being named in a route. */
export function paymentRoutes(options: PaymentOptions): MessageKind[] {
  return [
    ...(options.capture ? (['order.placed'] as const) : []),
    ...(options.void || options.refund ? (['order.cancelled'] as const) : []),
  ]
}

type Change = 'capture' | 'void' | 'refund'

/**
 * Captures what was authorised when the targets in `captureAfter` were told, and gives back what was charged when an
 * order is cancelled: one delivery each, so that retries, dead letters and replays are those of any target. Of an
 * order, each is asked of the gateway under one key of its own: `<orderId>-refund`.
 */
export function createPaymentTarget(
  kind: Target['kind'],
  options: PaymentOptions,
  gateway: { bind: (change: ChargeChange) => BoundHttp; close: () => Promise<void> },
): Target {
  return {
    ...targetDefaults,
    after: options.captureAfter ?? [],
    // Nobody's money waits until a target was told of the cancellation.
    afterOnly: ['order.placed'],
    // What was not captured is voided, at once.
    withdrawWhenCancelled: true,
    hearsOfCancellation: true,
    name: paymentTargetName,
    kind,
    close: gateway.close,
    isObsolete: async ({ message, standing }) =>
      message.kind === 'order.placed' && (await standing()).isCancelled,
    async call(call) {
      const payment = call.order.payment
      if (!isChargedPayment(payment)) return nothing('it was not charged here')
      const change = await chooseChange(payment, call)
      if (typeof change !== 'string') return change
      const make = options[change]
      if (!make) return giveUp(`payment.${change} is not configured`)
      return changePayment({ change, make, bind: gateway.bind }, payment, call)
    },
  }
}

async function chooseChange(
  { status, mode }: ChargedPayment,
  { message, standing }: Call,
): Promise<Change | Outcome> {
  if (status === 'pending') return tryAgain('it is not known yet whether it was charged')
  if (status === 'declined') return nothing('it was declined')
  if (message.kind === 'order.placed')
    return mode === 'authorise' ? mayCapture(await standing()) : nothing('it is captured')
  if (message.kind !== 'order.cancelled') return nothing('it is not about the payment')
  if (status === 'captured') return 'refund'
  // Marked as delivered by hand, too: whoever says so knows that it was captured.
  return (await standing()).told.includes('order.placed') ? 'refund' : 'void'
}

// What was skipped is nothing that somebody may be charged for, unless a person says so.
function mayCapture({ untold, isReplayed }: Standing): Change | Outcome {
  if (untold.length === 0 || isReplayed) return 'capture'
  const who = untold.map(({ target, state }) => `${target} is ${state}, not delivered`).join('; ')
  return giveUp(
    `Not captured: ${who}. Cancel the order to give the money back, or replay this to capture it all the same.`,
  )
}

function nothing(why: string): Outcome {
  return delivered({ text: `Nothing to do: ${why}.` })
}

async function changePayment(
  asked: { change: Change; make: ChangePayment; bind: (change: ChargeChange) => BoundHttp },
  payment: ChargedPayment,
  call: Call,
): Promise<Outcome> {
  const { change, make, bind } = asked
  const { order, attempt, signal } = call
  const given: ChargeChange = {
    order,
    reference: payment.reference ?? '',
    amount: order.totals.total,
    currency: order.currency,
    mode: payment.mode,
    attempt,
    idempotencyKey: `${order.id}-${change}`,
    signal,
  }
  const work = async () =>
    judge(change, await make({ ...given, http: bind(given) }), payment.reference)
  return withinDeadline(
    work().catch((error: unknown) => explainThrown(change, error)),
    signal,
    (reason) => uncertain(storableReason(`payment.${change} did not end: ${reasonOf(reason)}`)),
  )
}

function judge(change: Change, said: unknown, reference: string | null): Outcome {
  // A gateway that broke down over it, or that a proxy did not wait for any longer, may have done it: whoever cancels
  // the order now must not take it for undone.
  if (isHttpAnswer(said) && said.status >= 500)
    return {
      ...uncertain(`answered ${said.status}`, keepAnswer(said, 'uncertain')),
      ...notBeforeOf(said),
    }
  const outcome = isHttpAnswer(said) ? classifyAnswer(said) : readOutcome(said)
  if (!outcome) return saidNothing(change, said)
  if (outcome.kind !== 'delivered') return outcome
  return { ...outcome, answer: { ...outcome.answer, value: { did: change, reference } } }
}

// Doing it again would say no more. But nothing returned says nothing about money: it may have been moved.
function saidNothing(change: Change, said: unknown): Outcome {
  const what = said === undefined ? 'nothing' : 'something else'
  return {
    kind: 'give-up',
    mayBeTold: true,
    reason: `payment.${change} returned ${what}, so that nobody knows what it did: it has to return what http() answered, or delivered(), tryAgain(), giveUp() or uncertain(). Look into the gateway, correct payment.${change}, and replay this, or mark it as delivered.`,
  }
}

function isHttpAnswer(said: unknown): said is Parameters<typeof classifyAnswer>[0] {
  return typeof said === 'object' && said !== null && 'status' in said && !('kind' in said)
}

function explainThrown(change: Change, error: unknown): Outcome {
  if (error instanceof RequestFailed) return explainMissingAnswer(error.exchange)
  const reason = storableReason(`payment.${change} threw: ${reasonOf(error)}`)
  if (error instanceof UnusableMapping) return giveUp(reason)
  return uncertain(reason)
}
