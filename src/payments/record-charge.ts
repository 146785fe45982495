import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'
import type { PaymentState } from '#database/tables.ts'
import { isDeadlock } from '#database/transient-error.ts'
import type { PaymentMode } from '#messages/charged-payment.ts'
import type { ChargeResult } from '#targets/payment/charge-result.ts'

/** What is known of a charge. */
export type Settled = Extract<ChargeResult, { kind: 'approved' | 'declined' }>

/** A charge somebody asked the gateway about: `attempt` is which of the asking. */
export type Asked = { orderId: string; attempt: number }

/**
 * Writes down that an order was charged or declined, in one transaction with what follows from it: the order's own
 * `payment` and, when it was approved, its `order.placed` message. Whoever asked first and is answered last changes
 * nothing. Answers whether targets are to be told, and what is wrong when it was declined before and is charged now.
 * Somebody who writes the payment by SQL without locking its order first may be in the way: then it is done again.
 */
export async function recordSettled(
  db: Db,
  { orderId, settled }: { orderId: string; settled: Settled },
): Promise<Recorded> {
  return settleInTransaction(db, (tx) => settlePayment(tx, { orderId, settled }))
}

type Recorded = { told: boolean; contradicted?: string }

/** Does what settles a payment in a transaction; in another one when it met somebody who locks in another order. */
export async function settleInTransaction<T>(db: Db, settle: (tx: Tx) => Promise<T>): Promise<T> {
  for (let left = triesAgain; ; left -= 1) {
    try {
      return await db.transaction().execute(settle)
    } catch (error) {
      if (left === 0 || !isDeadlock(error)) throw error
    }
  }
}

// The second time, whoever was in the way has what it waited for. Each costs a second, and a buyer waits.
const triesAgain = 2

/** The same as recordSettled in a transaction that does more. */
export async function settlePayment(
  tx: Tx,
  { orderId, settled }: { orderId: string; settled: Settled },
): Promise<Recorded> {
  const begun = await lockPaid(tx, orderId)
  if (!begun) return { told: false }
  if (begun.state === 'declined' && settled.kind === 'approved')
    return { told: false, contradicted: sayCharged(begun, settled.reference) }
  await write(tx, orderId, { settled, mode: begun.mode })
  // The trigger has done it, where there is one: not where it is disabled, or in a copy that was restored without.
  await sql`select orderwheel.settle_order(${orderId})`.execute(tx)
  return { told: await hasDue(tx, orderId) }
}

/** As it was begun: by now the configuration may name another gateway, or another mode. */
type Begun = { provider: string; mode: PaymentMode; state: PaymentState }

// In the order in which settle_order() locks them: see migration 0028.
async function lockPaid(tx: Tx, orderId: string): Promise<Begun | undefined> {
  const { rows } = await sql<Begun>`
    select p.provider, p.mode, p.state
      from orderwheel.orders o join orderwheel.payments p on p.order_id = o.id
     where o.id = ${orderId} for update of o`.execute(tx)
  return rows[0]
}

function sayCharged({ provider }: Begun, reference: string): string {
  return `${provider} charged ${reference}, after the payment was declined: give it back there.`
}

async function write(
  tx: Tx,
  orderId: string,
  { settled, mode }: { settled: Settled; mode: PaymentMode },
): Promise<void> {
  const isApproved = settled.kind === 'approved'
  const approvedAs: PaymentState = mode === 'authorise' ? 'authorized' : 'captured'
  const state: PaymentState = isApproved ? approvedAs : 'declined'
  const reference = isApproved ? settled.reference : null
  const reason = isApproved ? null : settled.reason
  const code = isApproved ? null : (settled.code ?? null)
  // Not now(), from before the wait for the order's lock: a cancellation that came in between was first.
  await sql`
    update orderwheel.payments
       set state = ${state}, reference = ${reference}, reason = ${reason}, code = ${code}, token = null,
           claimed_until = null, settled_at = clock_timestamp()
     where order_id = ${orderId} and state = 'pending'`.execute(tx)
}

async function hasDue(tx: Tx, orderId: string): Promise<boolean> {
  const { rows } = await sql<{ due: boolean }>`
    select exists (select from orderwheel.outbox
                    where order_id = ${orderId} and coalesce(try_after <= now(), true)) as due`.execute(
    tx,
  )
  return rows[0]?.due ?? false
}

/** Writes down that nobody knows yet: a relay asks again after 2, 4, 8 seconds … up to every 5 minutes. */
export async function recordUnknown(
  db: Db | Tx,
  { orderId, attempt }: Asked,
  reason: string,
): Promise<void> {
  await sql`
    update orderwheel.payments
       set reason = ${reason}, claimed_until = null,
           try_after = now() + make_interval(secs => least(300, 2 ^ least(attempts, 9)))
     where order_id = ${orderId} and attempts = ${attempt} and state = 'pending'`.execute(db)
}

/** Writes down that a relay asks no more by itself: a person decides. */
export async function recordLeft(
  db: Db,
  { orderId, attempt }: Asked,
  reason: string,
): Promise<void> {
  await sql`
    update orderwheel.payments set reason = ${reason}, claimed_until = null, try_after = 'infinity'
     where order_id = ${orderId} and attempts = ${attempt} and state = 'pending'`.execute(db)
}
