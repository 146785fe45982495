import { isOver, orderChanges } from './order-changes.ts'
import type { OrderState } from './order-state.ts'
import type { WatchedOrder } from './read-watched.ts'
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

/** An order's story in a buyer's words, from the beginning. */
export function buyerStory(order: WatchedOrder): BuyerStory {
  const told = nothingTold()
  const steps: BuyerStep[] = []
  for (const change of orderChanges(order, told)) {
    if (change.event !== 'order') continue
    const state = buyerStates[change.state]
    if (steps.at(-1)?.state !== state) steps.push({ state, at: change.at })
  }
  const [first = { state: 'received', at: order.receivedAt }, ...rest] = steps
  return { steps: [first, ...rest], isOver: isOver(order, told.state) }
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
