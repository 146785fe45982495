import { orderChanges } from './order-changes.ts'
import type { OrderState } from './order-state.ts'
import type { WatchedMessage, WatchedOrder } from './read-watched.ts'
import { nothingTold } from './told-progress.ts'

/** What a buyer is told of an order's state: not whose fault it is, nor that a person has to look at it. */
export type BuyerState =
  | 'awaiting-payment'
  | 'payment-declined'
  | 'received'
  | 'preparing'
  | 'confirmed'
  | 'cancelled'

export type BuyerStory = {
  /** Never empty: the last is how it is now. */
  steps: readonly [BuyerStep, ...BuyerStep[]]
  /** Whether there will be no more, unless somebody makes it happen. */
  isOver: boolean
}

export type BuyerStep = { state: BuyerState; at: string }

/**
 * An order's story in a buyer's words, from the beginning. Nothing follows a cancellation, whatever a person still has to
 * look at; and nothing else follows a confirmation, whatever an application goes on to tell of the order.
 */
export function buyerStory(order: WatchedOrder): BuyerStory {
  const told = nothingTold()
  const steps: BuyerStep[] = []
  const cancellation = order.messages.find(({ kind }) => kind === 'order.cancelled')
  for (const change of orderChanges(order, told)) {
    if (cancellation && told.messages.has(cancellation.key)) break
    const last = steps.at(-1)?.state
    if (change.event !== 'order' || last === 'confirmed') continue
    const state = buyerStates[change.state]
    if (last !== state) steps.push({ state, at: change.at })
  }
  if (cancellation) steps.push({ state: 'cancelled', at: laterOf(cancellation, steps.at(-1)) })
  const [first = { state: 'received', at: order.receivedAt }, ...rest] = steps
  return { steps: [first, ...rest], isOver: lastStates.has((rest.at(-1) ?? first).state) }
}

const lastStates: ReadonlySet<BuyerState> = new Set(['payment-declined', 'confirmed', 'cancelled'])

function laterOf({ createdAt }: WatchedMessage, last: BuyerStep | undefined): string {
  const at = new Date(createdAt).toISOString()
  return last && last.at > at ? last.at : at
}

const buyerStates: Record<OrderState, BuyerState> = {
  'awaiting-payment': 'awaiting-payment',
  'payment-declined': 'payment-declined',
  received: 'received',
  processing: 'preparing',
  'needs-attention': 'preparing',
  completed: 'confirmed',
  cancelled: 'cancelled',
}

/** Names a step, for `Last-Event-ID`. */
export function stepId({ steps }: BuyerStory, step: BuyerStep): string {
  return `${steps.indexOf(step)}-${step.state}`
}

/** The steps after the one of this name; all of them when there is none such. */
export function stepsAfter(story: BuyerStory, id: string): readonly BuyerStep[] {
  const { steps } = story
  const index = steps.findIndex((step) => stepId(story, step) === id)
  if (index >= 0) return steps.slice(index + 1)
  // Something earlier became known since: what counts is what it says.
  const state = /^\d+-([a-z-]+)$/.exec(id)?.[1]
  return steps.slice(steps.findLastIndex((step) => step.state === state) + 1)
}
