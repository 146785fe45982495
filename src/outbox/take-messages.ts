import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import type { PaymentState } from '#database/tables.ts'
import type { Routes } from '#messages/message-kinds.ts'
import { maxPayloadBytes } from '#messages/own-kinds.ts'

/**
 * A message on its way from the outbox to its targets. `position` orders the messages of an order. One about no order
 * stands for itself: `orderId` is its own id.
 */
export type Message = {
  id: string
  position: string
  orderId: string
  kind: string
  /** Of an application's own kind; null of ours, and of one that is too large. */
  payload: unknown
  isTooLarge: boolean
  /** Of the order's payment, when it was to be paid here. */
  payment: PaymentState | null
  /** A cancellation of an order that was paid after it, or never: nobody was told of that but who has its money. */
  isUnplaced: boolean
}

/**
 * Takes up to `limit` messages that were never refused out of the outbox into `messages`, oldest first;
 * with `only`, the message of that position, refused or not. Several relays at once are safe: each skips
 * the rows another holds. A message waits while an earlier one of its order is still in the outbox, even
 * one that another relay is taking, so that an order's messages stay in order. Keeps with each where `routes`
 * sends it (what is told of an order that nobody was told of, to `payee` only): whether all of its deliveries are there can be said later, whatever the routes are by then.
 */
export async function takeMessages(
  tx: Tx,
  take: { limit: number } | { only: string },
  { routes, payee }: { routes: Routes; payee: string },
): Promise<Message[]> {
  const wanted = 'only' in take ? sql`o.position = ${take.only}` : sql`o.try_after is null`
  const limit = 'only' in take ? 1 : take.limit
  const routed = Object.entries(routes).map(([kind, targets]) => ({ kind, targets }))
  const { rows } = await sql<Message>`
    with due as (
      select position from orderwheel.outbox o
       where ${wanted}
         and not exists (
           select from orderwheel.outbox earlier
            where earlier.order_id = o.order_id and earlier.position < o.position)
       order by position
       limit ${limit}
         for update skip locked
    ), taken as (
      delete from orderwheel.outbox where position in (select position from due)
      returning id, position, order_id, kind, payload, created_at
    ), about as (
      -- By itself for each: orders that were not paid here have no row, and cost a look into an index.
      select t.*, p.state as payment,
             p.state is not null and t.kind = 'order.cancelled'
             and not exists (select from orderwheel.messages m where m.order_id = t.order_id and m.kind = 'order.placed') as unplaced
        from taken t
        left join lateral (select state from orderwheel.payments where order_id = t.order_id offset 0) p on true
    ), kept as (
      insert into orderwheel.messages (id, position, order_id, kind, payload, created_at, targets)
      select t.id, t.position, coalesce(t.order_id, t.id), t.kind, t.payload, t.created_at,
             case when not t.unplaced then coalesce(r.targets, '{}')
                  when t.payment <> 'declined' and ${payee} = any(r.targets) then array[${payee}] else '{}' end
        from about t
        left join json_to_recordset(${JSON.stringify(routed)}::json) as r(kind text, targets text[]) on r.kind = t.kind
    )
    select id, position, coalesce(order_id, id) as "orderId", kind, coalesce(size > ${maxPayloadBytes}, false) as "isTooLarge",
           case when size <= ${maxPayloadBytes} then payload end as payload,
           payment, unplaced as "isUnplaced"
      from (select *, case when kind not like 'order.%' then octet_length(payload::text) end as size from about) t
     order by position`.execute(tx)
  return rows
}
