import type pg from 'pg'

import type { NewOrder } from './insert-orders.ts'

/** Why an order was not written: what the database already knows of its key and its external id. */
export type Conflict =
  /** The same request came before: this is its answer. */
  | { kind: 'replayed'; id: string; isForgotten: boolean }
  /** The idempotency key was used with another body. */
  | { kind: 'key-reused' }
  /** Another request, with another key, placed an order of this external id. */
  | { kind: 'order-exists'; id: string }

/** The conflict of each order that was left out, in the order given; undefined: nothing is in its way any more. */
export async function findConflicts(
  pool: pg.Pool,
  orders: readonly NewOrder[],
): Promise<(Conflict | undefined)[]> {
  const { rows } = await pool.query<Known>({
    name: 'find-conflicts',
    text: `
      select same_key.id as key_id, encode(same_key.fingerprint, 'hex') as fingerprint,
             same_key.forgotten_at is not null as is_forgotten, same_order.id as order_id
        from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as asked(api_key_id, idempotency_key, external_id, n)
        left join orderwheel.orders same_key using (api_key_id, idempotency_key)
        left join orderwheel.orders same_order on same_order.external_id = asked.external_id
       order by n`,
    values: [
      orders.map((order) => order.apiKeyId),
      orders.map((order) => order.idempotencyKey),
      orders.map((order) => order.externalId),
    ],
  })
  return orders.map((order, index) => classify(order, rows[index]))
}

type Known = {
  key_id: string | null
  fingerprint: string | null
  is_forgotten: boolean
  order_id: string | null
}

function classify(order: NewOrder, known: Known | undefined): Conflict | undefined {
  if (known?.key_id) {
    return known.fingerprint === order.fingerprint
      ? { kind: 'replayed', id: known.key_id, isForgotten: known.is_forgotten }
      : { kind: 'key-reused' }
  }
  return known?.order_id ? { kind: 'order-exists', id: known.order_id } : undefined
}
