import type pg from 'pg'

import { exampleOrder } from '#messages/example-order.ts'

/** Stores orders with an `order.placed` message each, all waiting for the relay, in the order they were placed. */
export async function fillOutbox(pool: pg.Pool, count: number): Promise<void> {
  await pool.query(
    `with placed as (
       insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
       select number, '00000000-0000-0000-0000-000000000000', number, sha256(number::bytea),
              jsonb_set($2, '{externalId}', to_jsonb(number))
         from generate_series(1, $1::int) n, lateral (select 'BENCH-' || n as number) named
       returning id
     )
     insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed`,
    [count, exampleOrder('BENCH')],
  )
}
