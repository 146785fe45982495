import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

/** A message on its way from the outbox to its targets. */
export type Message = { id: string; orderId: string; kind: string }

/**
 * Takes up to `limit` messages out of the outbox into `messages`, oldest first. Several relays at once
 * are safe: each skips the rows another holds. A message waits while an earlier one of its order is
 * still in the outbox, even one that another relay is taking, so that an order's messages stay in order.
 * With `only`, takes that message alone.
 */
export async function takeMessages(
  tx: Tx,
  { limit, only }: { limit: number; only?: string },
): Promise<Message[]> {
  const { rows } = await sql<Message>`
    with due as (
      select id from orderwheel.outbox o
       where (try_after is null or try_after <= now())
         and (${only ?? null}::uuid is null or id = ${only ?? null}::uuid)
         and not exists (
           select from orderwheel.outbox earlier
            where earlier.order_id = o.order_id and earlier.id < o.id)
       order by id
       limit ${limit}
         for update skip locked
    ), taken as (
      delete from orderwheel.outbox where id in (select id from due)
      returning id, order_id, kind, payload, created_at
    ), kept as (
      insert into orderwheel.messages (id, order_id, kind, payload, created_at)
      select id, order_id, kind, payload, created_at from taken
    )
    select id, order_id as "orderId", kind from taken order by id`.execute(tx)
  return rows
}
