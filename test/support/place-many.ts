import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { exampleOrder } from '#messages/example-order.ts'

/** Stores so many orders and their messages in one statement; answers their ids, the earliest first. */
export async function placeMany(db: Db, count: number): Promise<string[]> {
  const document = JSON.stringify(exampleOrder('WEB-1'))
  const { rows } = await sql<{ id: string }>`
    with placed as (
      insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document)
      select id, 'M-' || id, gen_random_uuid(), id::text, decode(repeat('00', 32), 'hex'), ${document}::jsonb
        from (select uuidv7() as id from generate_series(1, ${count})) made
      returning id
    ), told as (
      insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed order by id
    )
    select id from placed order by id`.execute(db)
  return rows.map(({ id }) => id)
}
