import type { DeliveryState, PaymentState } from '#database/tables.ts'

import { orderStates, type OrderState } from './order-state.ts'

/** How far a message was told of: it is in the outbox, was refused there, or is relayed. */
export type MessageProgress = 'waits' | 'refused' | 'relayed'

export type DeliveryProgress = { state: DeliveryState; attempts: number }

/** What a listener was told of an order: with what is true now, all there is to know to tell the rest. */
export type ToldProgress = {
  state: OrderState | undefined
  /** By the keys of read-watched.ts. */
  messages: Map<string, MessageProgress>
  deliveries: Map<string, DeliveryProgress>
  /** What became of a payment that was made here. */
  payment?: PaymentState | undefined
}

export function nothingTold(): ToldProgress {
  return { state: undefined, messages: new Map(), deliveries: new Map() }
}

// Servers refuse headers above 8 to 16 KiB. That is some 400 deliveries of one order.
const longestText = 4_000

/**
 * As text for `Last-Event-ID`. Empty when it would be too long for a header: whoever resumes with it is told from
 * the beginning.
 */
export function writeProgress({ state, payment, messages, deliveries }: ToldProgress): string {
  const parts = [
    state === undefined ? '' : String(orderStates.indexOf(state)),
    ...(payment === undefined ? [] : [paymentLetters[payment]]),
    ...Array.from(messages, ([key, progress]) => key + messageLetters[progress]),
    ...Array.from(
      deliveries,
      ([key, { state, attempts }]) => key + deliveryLetters[state] + attempts.toString(36),
    ),
  ]
  const text = parts.join('.')
  return text.length > longestText ? '' : text
}

/** Nothing told, when it is no text of ours. */
export function readProgress(text: string): ToldProgress {
  const told = nothingTold()
  const [first = '', ...parts] = text.length > longestText ? [] : text.split('.')
  told.state = /^\d$/.test(first) ? orderStates[Number(first)] : undefined
  for (const part of parts) {
    const payment = paymentStates.get(part)
    if (payment) {
      told.payment = payment
      continue
    }
    const [, key = '', letter = '', attempts = ''] =
      /^([\w-]{6})([a-zA-Z])(\w{0,6})$/.exec(part) ?? []
    const message = messageStates.get(letter)
    const state = deliveryStates.get(letter)
    if (message) told.messages.set(key, message)
    else if (state)
      told.deliveries.set(key, { state, attempts: Number.parseInt(attempts, 36) || 0 })
    else return nothingTold()
  }
  return told.state === undefined ? nothingTold() : told
}

const paymentLetters: Record<PaymentState, string> = {
  pending: 'P',
  authorized: 'A',
  captured: 'C',
  declined: 'D',
}

const messageLetters: Record<MessageProgress, string> = { waits: 'O', refused: 'R', relayed: 'M' }

const deliveryLetters: Record<DeliveryState, string> = {
  waiting: 'w',
  queued: 'q',
  active: 'a',
  retrying: 'r',
  delivered: 'd',
  dead: 'x',
  uncertain: 'u',
  shed: 's',
  skipped: 'k',
  cancelled: 'c',
}

const paymentStates = byLetter(paymentLetters)
const messageStates = byLetter(messageLetters)
const deliveryStates = byLetter(deliveryLetters)

function byLetter<State extends string>(letters: Record<State, string>): Map<string, State> {
  return new Map(
    Object.entries(letters).map(([state, letter]) => [letter as string, state as State]),
  )
}
