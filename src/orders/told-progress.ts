import { hash } from 'node:crypto'

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

/** What happened to an order, in an order that does not change: what comes is added behind. */
export type Listed = Record<'messages' | 'deliveries', readonly { key: string }[]>

// Far below what servers and proxies take as a header, 4 to 8 KiB for all of them. That is some 900 deliveries of one order.
const longestText = 1_000

/**
 * Writes progress as text for `Last-Event-ID`: a letter for each message and delivery of the order as it is, and a digest of
 * whose letters these are. Empty when it would be too long: whoever resumes with it is told from the beginning.
 */
export function progressWriter(order: Listed): (told: ToldProgress) => string {
  // Each is a letter at least: of an order that had so much happen, nothing is built to be thrown away.
  if (order.messages.length + order.deliveries.length > longestText) return () => ''
  const digest = digestOf(order)
  return ({ state, payment, messages, deliveries }) => {
    const text = [
      (state === undefined ? '' : orderStates.indexOf(state)) +
        (payment === undefined ? '' : paymentLetters[payment]),
      order.messages.map(({ key }) => letterOf(messages.get(key), messageLetters)).join(''),
      order.deliveries.map(({ key }) => writeDelivery(deliveries.get(key))).join(''),
      digest,
    ].join('.')
    return text.length > longestText ? '' : text
  }
}

/**
 * Nothing told, when it is no text of ours, or when something came in between of which it says nothing: a message that was
 * written before others and committed after them, a delivery that a repair added.
 */
export function readProgress(text: string, order: Listed): ToldProgress {
  const told = nothingTold()
  const [, state = '', payment = '', messages = '', deliveries = '', digest] =
    (text.length > longestText ? null : written.exec(text)) ?? []
  told.state = orderStates[Number.parseInt(state, 10)]
  told.payment = paymentStates.get(payment)
  const letters = [...deliveries.matchAll(tokens)]
  const listed = {
    messages: order.messages.slice(0, messages.length),
    deliveries: order.deliveries.slice(0, letters.length),
  }
  const isAll =
    listed.messages.length === messages.length && listed.deliveries.length === letters.length
  if (told.state === undefined || !isAll || digestOf(listed) !== digest) return nothingTold()
  for (const [index, { key }] of listed.messages.entries()) {
    const progress = messageStates.get(messages.charAt(index))
    if (progress) told.messages.set(key, progress)
  }
  for (const [index, { key }] of listed.deliveries.entries()) {
    const [, letter = '', attempts = ''] = letters[index] ?? []
    const progress = readDelivery(letter, attempts)
    if (progress) told.deliveries.set(key, progress)
  }
  return told
}

const untold = '-'
const written = /^(\d)([PACD]?)\.([ORM-]*)\.((?:[a-z-]\d{0,6})*)\.([\w-]{6})$/
const tokens = /([a-z-])(\d*)/g

// 36 bits tell what happened to one order from what may have happened to it instead.
function digestOf({ messages, deliveries }: Listed): string {
  const keys = [messages, deliveries].map((some) => some.map(({ key }) => key))
  return hash('sha256', JSON.stringify(keys), 'base64url').slice(0, 6)
}

function letterOf<State extends string>(
  state: State | undefined,
  letters: Record<State, string>,
): string {
  return state === undefined ? untold : letters[state]
}

function writeDelivery(told: DeliveryProgress | undefined): string {
  if (!told) return untold
  const { state, attempts } = told
  return deliveryLetters[state] + (attempts === usualAttempts(state) ? '' : attempts)
}

function readDelivery(letter: string, attempts: string): DeliveryProgress | undefined {
  const state = deliveryStates.get(letter)
  return state && { state, attempts: attempts === '' ? usualAttempts(state) : Number(attempts) }
}

/** Nearly all are delivered by their first attempt: that goes without saying. */
function usualAttempts(state: DeliveryState): 0 | 1 {
  return state === 'delivered' ? 1 : 0
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
