import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'
import type { AttemptOutcome, DeliveryState, PaymentState } from '#database/tables.ts'

/** An order as its listeners see it: what happened to it, without what it is about. Times are PostgreSQL's, as JSON. */
export type WatchedOrder = {
  id: string
  externalId: string
  receivedAt: string
  /** When this was read. */
  readAt: string
  locale: string | null
  isForgotten: boolean
  historyDropped: boolean
  /** Written down before the messages that say so were dropped. */
  cancelledAt: string | null
  /** One that was made here. */
  payment: { state: PaymentState; settledAt: string | null } | null
  /** In the order they happened. */
  messages: WatchedMessage[]
  deliveries: WatchedDelivery[]
}

export type WatchedMessage = {
  id: string
  /** What a listener's progress calls it. */
  key: string
  kind: string
  createdAt: string
  relayedAt: string | null
  isRefused: boolean
}

export type WatchedDelivery = {
  messageId: string
  /** As of a message. */
  key: string
  kind: string
  target: string
  state: DeliveryState
  /** Whether it comes after other targets. */
  isAfter: boolean
  createdAt: string
  startedAt: string | null
  settledAt: string | null
  attempts: WatchedAttempt[]
  /** The numbers of the attempts after which it was given up. */
  diedAfter: number[]
}

export type WatchedAttempt = {
  number: number
  startedAt: string
  durationMs: number | null
  outcome: AttemptOutcome
  reason: string | null
}

/**
 * Of each of these orders a text that changes with anything its listeners are told of; orders that are gone are left
 * out. For at most a thousand at a time.
 */
export async function readPulses(
  db: Db,
  orderIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ id: string; pulse: string }>`
    select o.id, md5(concat_ws('|', o.forgotten_at, p.state,
      (select string_agg(x.position || ':' || least(x.refusals, 1), ',' order by x.position)
         from orderwheel.outbox x where x.order_id = o.id),
      (select string_agg(m.position::text, ',' order by m.position)
         from orderwheel.messages m where m.order_id = o.id and ${sinceOrders('m.id', orderIds)}),
      (select string_agg(d.target || ':' || d.state || d.attempts, ',' order by d.position, d.target)
         from orderwheel.deliveries d
        where d.order_id = o.id and ${sinceOrders('d.message_id', orderIds)}))) as pulse
      from orderwheel.orders o
      left join orderwheel.payments p on p.order_id = o.id
     where o.id = any(${orderIds}::uuid[])`.execute(db)
  return new Map(rows.map(({ id, pulse }) => [id, pulse]))
}

/** These orders with all that happened to them, each as of one moment; those that are gone are left out. */
export async function readWatched(
  db: Db,
  orderIds: readonly string[],
): Promise<ReadonlyMap<string, WatchedOrder>> {
  const { rows } = await sql<RowOf<WatchedOrder>>`
    select o.id, coalesce(p.external_id, o.external_id) as "externalId", to_json(o.received_at) as "receivedAt", to_json(now()) as "readAt",
      o.document #>> '{customer,locale}' as locale, o.forgotten_at is not null as "isForgotten",
      coalesce(o.received_at < orderwheel.history_since(), false) as "historyDropped",
      to_json(o.cancelled_at) as "cancelledAt",
      case when p.order_id is not null
           then json_build_object('state', p.state, 'settledAt', p.settled_at) end as payment,
      (select coalesce(json_agg(json_build_object(
                'id', m.id, 'kind', m.kind, 'createdAt', m.created_at,
                'relayedAt', m.relayed_at, 'isRefused', m.refused) order by m.position), '[]')
         from (select position, id, kind, created_at, relayed_at, false as refused
                 from orderwheel.messages
                where order_id = o.id and ${sinceOrders('id', orderIds)}
               union all
               select position, id, kind, created_at, null, refusals > 0
                 from orderwheel.outbox where order_id = o.id) m) as messages,
      (select coalesce(json_agg(json_build_object(
                'messageId', d.message_id, 'kind', m.kind, 'target', d.target, 'state', d.state,
                'isAfter', cardinality(d.after) > 0, 'createdAt', d.created_at,
                'startedAt', d.started_at, 'settledAt', d.settled_at,
                'attempts', (
                  select coalesce(json_agg(json_build_object(
                           'number', a.number, 'startedAt', a.started_at, 'durationMs', a.duration_ms,
                           'outcome', a.outcome, 'reason', a.reason) order by a.number), '[]')
                    from orderwheel.delivery_attempts a
                   where a.message_id = d.message_id and a.target = d.target
                     and ${sinceOrders('a.message_id', orderIds)}),
                'diedAfter', (
                  select coalesce(json_agg(jsonb_array_length(l.attempts)), '[]')
                    from orderwheel.dead_letters l
                   where l.message_id = d.message_id and l.target = d.target)
              ) order by d.position, d.target), '[]')
         from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
        where d.order_id = o.id and ${sinceOrders('d.message_id', orderIds)}
          and ${sinceOrders('m.id', orderIds)}) as deliveries
      from orderwheel.orders o
      left join orderwheel.payments p on p.order_id = o.id
     where o.id = any(${orderIds}::uuid[])`.execute(db)
  return new Map(rows.map((row) => [row.id, withKeys(row)]))
}

type RowOf<Order extends WatchedOrder> = Omit<Order, 'messages' | 'deliveries'> & {
  messages: Omit<WatchedMessage, 'key'>[]
  deliveries: Omit<WatchedDelivery, 'key'>[]
}

function withKeys(row: RowOf<WatchedOrder>): WatchedOrder {
  return {
    ...row,
    messages: row.messages.map((message) => ({ ...message, key: message.id })),
    deliveries: row.deliveries.map((delivery) => ({
      ...delivery,
      key: `${delivery.messageId}:${delivery.target}`,
    })),
  }
}
