import { type RawBuilder, sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { type Chunk, wanted, within } from './chunk.ts'
import type { Finding } from './finding.ts'

export type OrdersChecked = { orders: number; found: Finding[] }

/**
 * Looks whether each order of a chunk has its `order.placed`, waiting or relayed, and notes those (up to the order
 * `upTo`) that have none, or will have one when they are paid. `newAfter`: an order with a higher id was never looked at
 * before; null: nothing was.
 */
export async function checkOrders(
  db: Db,
  { chunk, upTo, newAfter }: { chunk: Chunk; upTo: string; newAfter: string | null },
): Promise<OrdersChecked> {
  const { rows } = await sql<OrdersChecked>`
    with ${looked(chunk)},
    noted as (
      insert into orderwheel.verify_pending (id, order_id, was_new)
      select id, id, coalesce(id > ${newAfter}::uuid and is_new, false)
        from (select id, is_new from found union all select id, false from unpaid where state = 'pending') open
       where id <= ${upTo}::uuid
      on conflict do nothing
    ), settled as (
      delete from orderwheel.verify_pending p
       where ${within('p.id', chunk)} and p.id = p.order_id and not p.alone
         and p.id not in (select id from found)
         and p.id not in (select id from unpaid where state = 'pending')
    )
    select (select count(*)::int from placed) as orders,
           coalesce((select json_agg(f) from (${asFindings}) f), '[]') as found`.execute(db)
  return rows[0] ?? { orders: 0, found: [] }
}

/** The same look, which notes nothing. */
export async function findInOrders(db: Db, chunk: Chunk): Promise<Finding[]> {
  const { rows } = await sql<Finding>`with ${looked(chunk)} ${asFindings}`.execute(db)
  return rows
}

const asFindings = sql`
  select 'order-without-message' as kind, id as "orderId", null as "messageId", null as target,
         to_json(received_at) as since
    from found`

// What was written a while ago may have been told, and its message deleted since.
const newFor = sql`interval '15 minutes'`

// Nobody was told of what is not paid, or was cancelled before it was. Orders are wide: their ids come from the index alone, and only those without their message are read. See
// check-messages.ts for `not in`.
function looked(chunk: Chunk): RawBuilder<unknown> {
  return sql`
    ${wanted(chunk)}
    placed as materialized (
      select o.id from orderwheel.orders o where ${within('o.id', chunk)}
    ), silent as materialized (
      select id from placed
       where id not in (select m.order_id from orderwheel.messages m
                         where ${within('m.order_id', chunk)} and m.kind = 'order.placed')
         and id not in (select b.order_id from orderwheel.outbox b
                         where ${within('b.order_id', chunk)} and b.kind = 'order.placed')
    ), unpaid as materialized (
      select p.order_id as id, p.state from orderwheel.payments p
       where p.order_id = any(array(select id from silent))
         and (p.state in ('pending', 'declined')
              or exists (select from orderwheel.messages m
                          where m.order_id = p.order_id and m.kind = 'order.cancelled' and m.created_at <= p.settled_at)
              or exists (select from orderwheel.outbox b
                          where b.order_id = p.order_id and b.kind = 'order.cancelled' and b.created_at <= p.settled_at))
    ), found as materialized (
      select o.id, o.received_at, o.received_at between now() - ${newFor} and now() and o.forgotten_at is null as is_new
        from orderwheel.orders o
       where o.id = any(array(select id from silent))
         and o.id not in (select id from unpaid)
         and o.received_at >= coalesce(orderwheel.history_since(), '-infinity')
    )`
}
