import type pg from 'pg'

import type { PaymentMode } from '#messages/charged-payment.ts'
import type { NewOrder } from '#orders/insert-orders.ts'

export type NewPaidOrder = {
  /** Its document has no token. */
  order: NewOrder
  token: string
  provider: string
  mode: PaymentMode
  /** How long the caller keeps relays from asking the gateway, too. */
  claimSeconds: number
}

/**
 * Writes an order that is to be paid with its payment, and no message: nobody is told of it yet. Answers its id
 * and time; undefined when its external id or idempotency key is known. Waits for somebody who is writing the same order for half
 * a second, then throws 55P03 (lock not available).
 */
export async function insertPaidOrder(
  pool: pg.Pool,
  { order, token, provider, mode, claimSeconds }: NewPaidOrder,
): Promise<{ id: string; receivedAt: string } | undefined> {
  const query = {
    ...statement,
    query_timeout: answerWithinMs,
    values: [
      order.externalId,
      order.apiKeyId,
      order.idempotencyKey,
      order.fingerprint,
      order.document,
      provider,
      mode,
      token,
      claimSeconds,
    ],
  }
  const { rows } = await pool.query<{ id: string; receivedAt: Date }>(query)
  const [row] = rows
  return row && { id: row.id, receivedAt: row.receivedAt.toISOString() }
}

// As long as ordinary orders wait for a server that does not answer.
const answerWithinMs = 10_000

// See insert-orders.ts for `patience` and `on conflict do nothing`.
const statement = {
  name: 'insert-paid-order',
  text: `
    with patience as materialized (
      select set_config('lock_timeout', '500ms', true)
    ), placed as (
      insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
      select $1, $2::uuid, $3, decode($4, 'hex'), $5::jsonb from patience
      on conflict do nothing
      returning id, received_at
    ), begun as (
      insert into orderwheel.payments (order_id, external_id, provider, mode, token, claimed_until, try_after)
      select id, $1, $6, $7, $8, now() + make_interval(secs => $9), now() + make_interval(secs => $9) from placed
    )
    select id, received_at as "receivedAt" from placed`,
}
