import type { DeliveryState } from '#database/tables.ts'

import type { Fact } from './order-changes.ts'
import type { WatchedAttempt, WatchedDelivery, WatchedOrder } from './read-watched.ts'
import type { ToldProgress } from './told-progress.ts'

type Step = { state: DeliveryState; attempt: number; reason: string | null; at: number }

/** The steps of a delivery that were not told yet: that it is there, each attempt, and what it is now. */
export function deliveryFacts(
  delivery: WatchedDelivery,
  { readAt }: WatchedOrder,
  { deliveries }: ToldProgress,
): Fact[] {
  const { key, messageId, kind, target } = delivery
  const told = deliveries.get(key)
  const steps: Step[] = []
  if (!told) steps.push(firstStep(delivery))
  for (const attempt of delivery.attempts)
    if (attempt.number > (told?.attempts ?? 0)) steps.push(attemptStep(delivery, attempt))
  const last = steps.at(-1)
  if ((last ?? told)?.state !== delivery.state) {
    const attempt = last?.attempt ?? told?.attempts ?? 0
    steps.push({ state: delivery.state, attempt, reason: null, at: sinceWhen(delivery, readAt) })
  }
  let latest = told ? toldUntil(delivery, told.attempts) : Number.NEGATIVE_INFINITY
  return steps.map(({ state, attempt, reason, at }, index) => {
    // A clock that stepped back does not change what came after what, whoever asks from where.
    latest = Math.max(latest, at)
    const message = { id: messageId, kind }
    return {
      at: latest,
      rank: !told && index === 0 ? 0 : 2,
      tell: () => void deliveries.set(key, { state, attempts: attempt }),
      change: { event: 'delivery', target, message, state, attempt, reason },
    }
  })
}

/** Whoever was told of so many attempts was told of all before. */
function toldUntil(delivery: WatchedDelivery, attempts: number): number {
  const told = delivery.attempts.filter(({ number }) => number <= attempts)
  return Math.max(firstStep(delivery).at, ...told.map((one) => attemptStep(delivery, one).at))
}

/** Milliseconds; 0: it was not told. */
export function deliveryToldAt(delivery: WatchedDelivery, { deliveries }: ToldProgress): number {
  const told = deliveries.get(delivery.key)
  if (!told) return 0
  const attempt = delivery.attempts.find(({ number }) => number === told.attempts)
  return (attempt ? attemptStep(delivery, attempt) : firstStep(delivery)).at
}

function firstStep({ isAfter, createdAt }: WatchedDelivery): Step {
  const state = isAfter ? 'waiting' : 'queued'
  return { state, attempt: 0, reason: null, at: Date.parse(createdAt) }
}

function attemptStep(delivery: WatchedDelivery, attempt: WatchedAttempt): Step {
  const { number, reason, startedAt, durationMs } = attempt
  const at = Date.parse(startedAt) + (durationMs ?? 0)
  return { state: stateAfter(delivery, attempt), attempt: number, reason, at }
}

/** What it was right after an attempt. Of an earlier one that is gone by now, what the next ones say of it. */
function stateAfter(delivery: WatchedDelivery, { number, outcome }: WatchedAttempt): DeliveryState {
  switch (outcome) {
    case 'delivered':
      return 'delivered'
    case 'give-up':
      return 'dead'
    case 'uncertain':
      return 'uncertain'
    case 'try-again':
    case 'handed-back':
    case 'abandoned': {
      if (delivery.diedAfter.includes(number)) return 'dead'
      const { state } = delivery
      const isLast = number === delivery.attempts.at(-1)?.number
      return isLast && (state === 'queued' || state === 'uncertain') ? state : 'retrying'
    }
    default:
      return outcome satisfies never
  }
}

/** When it got into the state it is in; where nobody wrote that down, when it was seen. */
function sinceWhen({ state, startedAt, settledAt }: WatchedDelivery, readAt: string): number {
  return Date.parse((state === 'active' ? startedAt : settledAt) ?? readAt)
}
