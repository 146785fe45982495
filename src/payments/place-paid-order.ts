import type pg from 'pg'

import type { Log } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import type { ChargedPayment } from '#messages/charged-payment.ts'
import type { Order } from '#messages/order.ts'
import { canonicalJson } from '#orders/canonical-json.ts'
import { findConflicts, type Conflict } from '#orders/find-conflicts.ts'
import type { NewOrder } from '#orders/insert-orders.ts'
import { isLockTimeout } from '#orders/write-alone.ts'
import type { ChargeResult } from '#targets/payment/charge-result.ts'
import type { PaymentGateway } from '#targets/payment/payment-gateway.ts'

import type { WhyNotCharged } from './ask-owner.ts'
import { charge } from './charge.ts'
import { insertPaidOrder } from './insert-paid-order.ts'
import { readPayment } from './read-payment.ts'
import { recordSettled, recordUnknown, type Asked } from './record-charge.ts'
import { takeBackOrder } from './take-back-order.ts'

export type PaidPlaced =
  | PaidAccepted
  | { kind: 'declined'; id: string; replayed: boolean; reason: string; code: string | null }
  /** For certain nothing was charged, and nothing is stored. `why`: it must not be from here. */
  | { kind: 'not-charged'; why?: string }
  | Exclude<Conflict, { kind: 'replayed' }>
  /** The same request is being answered. */
  | { kind: 'in-progress' }
  | { kind: 'overloaded' }

export type PaidAccepted = {
  /** Paid, and told; placed, and whether it was charged is being found out; or cancelled, whatever is known of it. */
  kind: 'approved' | 'awaiting' | 'cancelled'
  id: string
  replayed: boolean
  /** The personal data in it was removed. */
  isForgotten: boolean
}

export type PaidOrder = Pick<NewOrder, 'apiKeyId' | 'idempotencyKey' | 'fingerprint'> & {
  order: Order
  token: string
}

export type PayingOptions = {
  pool: pg.Pool
  db: Db
  gateway: PaymentGateway
  log: Log
  /** Asked before each order: from a copy of a database, nobody is charged. */
  whyNotCharged: WhyNotCharged
  /** Called after each commit that added a message; must not throw. */
  outboxChanged: () => void
  /** Buyers that may wait at a time. Default 1 000: each is a request with its order, and a connection to the gateway. */
  maxUnderWay?: number
}

export type PlacePaidOrder = (paid: PaidOrder) => Promise<PaidPlaced>

/**
 * Places orders that are paid at once: stored, charged with no transaction or connection held, settled. Rejects when the
 * database cannot be reached, as placing any order does: repeating the request is safe, and a relay finishes what was
 * begun.
 */
export function createPaidOrders(options: PayingOptions): PlacePaidOrder {
  const { maxUnderWay = 1_000 } = options
  let underWay = 0
  return async (paid) => {
    if (underWay >= maxUnderWay) return { kind: 'overloaded' }
    underWay += 1
    try {
      return await place(options, paid)
    } finally {
      underWay -= 1
    }
  }
}

// Between the deadline and the answer on disk: a database that is slow to take it.
const recordWithinSeconds = 15

async function place(options: PayingOptions, paid: PaidOrder): Promise<PaidPlaced> {
  const { pool, gateway } = options
  const order = withoutToken(paid.order, gateway)
  const { apiKeyId, idempotencyKey, fingerprint } = paid
  const stored: NewOrder = {
    apiKeyId,
    idempotencyKey,
    fingerprint,
    externalId: order.externalId,
    document: canonicalJson(order),
  }
  const claimSeconds = gateway.deadlineSeconds + recordWithinSeconds
  const { provider, mode } = gateway
  const why = await options.whyNotCharged()
  if (why !== undefined) return (await findKnown(options, stored)) ?? { kind: 'not-charged', why }
  try {
    const placed = await insertPaidOrder(pool, {
      order: stored,
      token: paid.token,
      provider,
      mode,
      claimSeconds,
    })
    if (!placed) return await explain(options, stored)
    const asked = { orderId: placed.id, attempt: 1 }
    const result = await charge(
      gateway,
      { ...asked, order, receivedAt: placed.receivedAt, token: paid.token, mode },
      { seconds: gateway.deadlineSeconds, lookFirst: false },
    )
    return await record(options, asked, result)
  } catch (error) {
    if (isLockTimeout(error)) return { kind: 'in-progress' }
    throw error
  }
}

function withoutToken(order: Order, { provider, mode }: PaymentGateway): Order {
  const payment: ChargedPayment = { status: 'pending', provider, reference: null, mode }
  return { ...order, payment }
}

async function record(
  { db, log, outboxChanged }: PayingOptions,
  asked: Asked,
  result: ChargeResult,
): Promise<PaidPlaced> {
  const { orderId: id } = asked
  const replayed = false
  switch (result.kind) {
    case 'approved':
    case 'declined': {
      const { told, contradicted } = await recordSettled(db, { orderId: id, settled: result })
      if (contradicted)
        log.error({ orderId: id, reason: contradicted }, 'charged, but was declined')
      if (told) outboxChanged()
      return answerOf(db, { id, replayed })
    }
    case 'not-charged':
      log.warn({ orderId: id, reason: result.reason }, 'payment gateway charged nothing')
      if (await takeBackOrder(db, asked, result.reason)) return { kind: 'not-charged' }
      return answerOf(db, { id, replayed })
    case 'uncertain':
      log.warn({ orderId: id, reason: result.reason }, 'payment not known, asking again')
      await recordUnknown(db, asked, result.reason)
      return answerOf(db, { id, replayed })
    default:
      return result satisfies never
  }
}

/** What is known is what is on disk: somebody else may have been first. */
async function answerOf(
  db: Db,
  { id, replayed, isForgotten = false }: { id: string; replayed: boolean; isForgotten?: boolean },
): Promise<PaidPlaced> {
  const payment = await readPayment(db, id)
  // An order of this body cannot be here without having been paid.
  if (!payment) return { kind: 'approved', id, replayed, isForgotten }
  const ifNotCancelled = (kind: 'approved' | 'awaiting') =>
    ({ kind: payment.isCancelled ? 'cancelled' : kind, id, replayed, isForgotten }) as const
  switch (payment.state) {
    case 'declined':
      return { kind: 'declined', id, replayed, reason: payment.reason ?? '', code: payment.code }
    case 'pending':
      if (replayed && payment.isFirstUnderWay) return { kind: 'in-progress' }
      return ifNotCancelled('awaiting')
    case 'authorized':
    case 'captured':
      return ifNotCancelled('approved')
    default:
      return payment.state satisfies never
  }
}

async function explain(options: PayingOptions, order: NewOrder): Promise<PaidPlaced> {
  // What was in its way is gone in between, as one that was not charged: the same request again finds it free.
  return (await findKnown(options, order)) ?? { kind: 'in-progress' }
}

async function findKnown(
  { pool, db }: PayingOptions,
  order: NewOrder,
): Promise<PaidPlaced | undefined> {
  const [conflict] = await findConflicts(pool, [order])
  if (conflict?.kind !== 'replayed') return conflict
  const { id, isForgotten } = conflict
  return answerOf(db, { id, replayed: true, isForgotten })
}
