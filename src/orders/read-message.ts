import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import {
  type DeliveryReport,
  type HappeningRows,
  happenings,
  iso,
  type MessageReport,
  reportHappenings,
} from './happenings.ts'
import { orderState, type OrderState } from './order-state.ts'

/** A message, and what each target was told of it. Times are ISO 8601 in UTC. */
export type MessageStory = MessageReport & {
  /** What `order_timeline` knows it by: its order's id or, when it is about none, its own. */
  subjectId: string
  /** Null: it is about none. */
  orderId: string | null
  externalId: string | null
  /** `received` until it is relayed, then as of an order that has this message alone. */
  state: OrderState
  deliveries: DeliveryReport[]
}

/**
 * Undefined: there is no such message; one of an order's own kinds (`order.…`) is there once it is relayed. `id` must be
 * a UUID.
 */
export async function readMessage(db: Db, id: string): Promise<MessageStory | undefined> {
  const found = await readRow(db, id)
  if (!found) return undefined
  const { kind, orderId, subjectId, externalId, refusal, relayedAt } = found
  const all = await reportHappenings(db, found)
  const deliveries = all.deliveries.filter(({ message }) => message.id === found.id)
  const one = { kind: 'message', refused: refusal !== null }
  return {
    id: found.id,
    kind,
    subjectId,
    orderId,
    externalId,
    state: orderState({
      unrelayed: relayedAt === null ? [one] : [],
      relayed: relayedAt === null ? [] : [one],
      deliveries,
      historyDropped: false,
      wasCancelled: false,
    }),
    createdAt: iso(found.createdAt),
    relayedAt: relayedAt && iso(relayedAt),
    refusal,
    deliveries,
  }
}

type Row = HappeningRows &
  MessageReport & { subjectId: string; orderId: string | null; externalId: string | null }

// One statement: read in two, a message relayed in between would be in neither answer. `kind`: as the index says that
// finds a message in the outbox.
async function readRow(db: Db, id: string): Promise<Row | undefined> {
  const { rows } = await sql<Row>`
    with message as (
      select id, kind, order_id, created_at, relayed_at, null as refusal
        from orderwheel.messages where id = ${id}::uuid
      union all
      select id, kind, coalesce(order_id, id), created_at, null, refusal
        from orderwheel.outbox where id = ${id}::uuid and kind not like 'order.%'
    )
    select t.id, t.kind, o.id as "subjectId", case when t.order_id <> t.id then t.order_id end as "orderId",
           coalesce(y.external_id, p.external_id) as "externalId", to_json(t.created_at) as "createdAt", to_json(t.relayed_at) as "relayedAt",
           t.refusal,
           ${happenings}
      from message t
     cross join lateral (select t.order_id as id) o
      left join orderwheel.orders p on p.id = t.order_id
      left join orderwheel.payments y on y.order_id = t.order_id`.execute(db)
  return rows[0]
}
