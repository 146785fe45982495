import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

import { settleInTransaction, settlePayment, type Settled } from './record-charge.ts'

export type SettledByHand =
  | { kind: 'settled'; state: string; told: boolean }
  /** `state` null: no such order, or it was not to be paid here. */
  | { kind: 'not-pending'; state: string | null }
  /** The gateway is being asked at this moment: what it answers may be something else. */
  | { kind: 'being-asked'; secondsLeft: number }

/**
 * Writes down what a person found out about a payment, at the gateway: charged, or not. What follows is what follows from
 * the gateway's own answer; the audit log has it in the same transaction.
 */
export async function settleByHand(
  db: Db,
  given: { orderId: string; settled: Settled; who: string; reason: string | null },
): Promise<SettledByHand> {
  return settleInTransaction(db, (tx) => settle(tx, given))
}

async function settle(
  tx: Tx,
  { orderId, settled, who, reason }: Parameters<typeof settleByHand>[1],
): Promise<SettledByHand> {
  const found = await lockPayment(tx, orderId)
  if (found?.state !== 'pending') return { kind: 'not-pending', state: found?.state ?? null }
  if (found.secondsLeft > 0) return { kind: 'being-asked', secondsLeft: found.secondsLeft }
  const { told } = await settlePayment(tx, { orderId, settled })
  const { state } = (await lockPayment(tx, orderId)) ?? found
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: 'payment.settled',
      subject: orderId,
      reason,
      details: JSON.stringify({
        before: 'pending',
        after: state,
        ...(settled.kind === 'approved' ? { reference: settled.reference } : {}),
      }),
    })
    .execute()
  return { kind: 'settled', state, told }
}

// The order before the payment, as whoever writes down what the gateway said. A relay that takes the payment to ask about
// it waits for the second lock, and then finds it settled.
async function lockPayment(
  tx: Tx,
  orderId: string,
): Promise<{ state: string; secondsLeft: number } | undefined> {
  await sql`select from orderwheel.orders where id = ${orderId}::uuid for update`.execute(tx)
  const { rows } = await sql<{ state: string; secondsLeft: number }>`
    select state, greatest(0, coalesce(ceil(extract(epoch from claimed_until - now())), 0))::int as "secondsLeft"
      from orderwheel.payments where order_id = ${orderId}::uuid for update`.execute(tx)
  return rows[0]
}
