import type pg from 'pg'

import { exampleOrder } from '#messages/example-order.ts'

export type History = {
  orders: number
  /** Of those, the newest whose deliveries are open: those of `erp` are queued, what comes after it waits. */
  open: number
  /** Messages in the outbox, of the newest orders. Default none. */
  unrelayed?: number
  /** One of so many settled deliveries to the ERP is dead; of two of their letters one is closed. Default 200. */
  oneDeadIn?: number
}

/** Each order is routed to these; the mail comes after the ERP. */
export const historyTargets = ['erp', 'confirmation-email', 'partner-webhook', 'analytics'] as const

// A statement's worth of orders, each with eight rows more.
const ordersAtATime = 20_000
const connections = 2

/**
 * Fills a migrated database with a shop's history of 90 days, in bulk: 100 000 orders take some 10 s. One in 50 was
 * tried twice by the ERP, one in 5 000 is uncertain there. Needs a superuser, since nothing that a trigger or a foreign key would do is done.
 */
export async function fillHistory(pool: pg.Pool, history: History): Promise<void> {
  await pool.query(
    `insert into orderwheel.targets (name, kind, concurrency)
     select unnest($1::text[]), 'http', 20 on conflict do nothing`,
    [historyTargets],
  )
  let made = 0
  const fillNext = async () => {
    while (made < history.orders) {
      const from = made + 1
      made = Math.min(history.orders, made + ordersAtATime)
      await pool.query(fill, parametersOf(history, { from, to: made }))
    }
  }
  await Promise.all(Array.from({ length: connections }, fillNext))
  await pool.query(
    `select setval(pg_get_serial_sequence('orderwheel.outbox', 'position'), $1::bigint)`,
    [history.orders + 1],
  )
  await tidy(pool)
}

function parametersOf(history: History, span: { from: number; to: number }) {
  const { orders, open, unrelayed = 0, oneDeadIn = 200 } = history
  const order = exampleOrder('SEED')
  return [span.from, span.to, orders, orders - open, orders - unrelayed, order, oneDeadIn]
}

// $1 … $2: these orders, $3: of so many; $4: those after it are open; $5: those after it are not relayed; $6: the order;
// $7: one of so many is dead.
// The last ones are an hour old: what is open has been open for longer than a while.
const fill = `
  with unchecked as materialized (
    select set_config('session_replication_role', 'replica', true)
  ), fresh as materialized (
    select n, uuidv7(-age) as order_id, uuidv7(-age) as message_id, now() - age as at,
           'WEB-' || n as external_id, n > $4::int as open, n > $5::int as unrelayed
      from unchecked, generate_series($1::int, $2::int) n,
           lateral (select interval '1 hour' + interval '90 days' * (1 - n::float8 / $3::int) as age) a
  ), orders as (
    insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
    select order_id, external_id, '00000000-0000-0000-0000-000000000000', external_id, sha256(external_id::bytea),
           $6::jsonb || jsonb_build_object('externalId', external_id, 'customer',
             $6::jsonb -> 'customer' || jsonb_build_object('id', 'C-' || n, 'email', 'buyer-' || n || '@example.com')), at
      from fresh
  ), unrelayed as (
    insert into orderwheel.outbox (position, id, order_id, kind, created_at) overriding system value
    select n, message_id, order_id, 'order.placed', at from fresh where unrelayed
  ), messages as (
    insert into orderwheel.messages (id, position, order_id, kind, payload, created_at, relayed_at)
    select message_id, n, order_id, 'order.placed', '{}', at, at from fresh where not unrelayed
  ), told as materialized (
    select f.*, t.target, t.after,
           case when not open and t.target = 'erp' and n % 5000 = 1 then 'uncertain'
                when not open and t.target = 'erp' and n % $7::int = 0 then 'dead'
                when not open then 'delivered'
                when t.after <> '{}' then 'waiting'
                when n % 50 = 0 then 'retrying'
                else 'queued' end as state,
           case when open and n % 50 <> 0 or open and t.after <> '{}' then 0
                when t.target = 'erp' and n % 50 = 0 then 2
                else 1 end as attempts
      from fresh f,
           (values ('erp', '{}'::text[]), ('confirmation-email', '{erp}'), ('partner-webhook', '{}'), ('analytics', '{}'))
             as t(target, after)
     where not unrelayed
  ), deliveries as (
    insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, attempts, created_at,
                                       started_at, worker, settled_at, last_fetch, awaited)
    select message_id, target, n, order_id, state, after, attempts, at,
           case when attempts > 0 then at end, case when attempts > 0 then 'host:1' end,
           case when state in ('delivered', 'dead', 'uncertain') then at end, attempts - 1, target = 'erp'
      from told
  ), attempts as (
    insert into orderwheel.delivery_attempts (message_id, target, number, started_at, duration_ms, outcome, reason,
                                              answer, worker)
    select message_id, target, number, at, 50,
           case when state = 'dead' and number = attempts then 'give-up'
                when state = 'uncertain' then 'uncertain'
                when state = 'delivered' and number = attempts then 'delivered'
                else 'try-again' end,
           case when state <> 'delivered' or number < attempts then 'answered 503' end,
           '{"status": 503, "text": "busy"}', 'host:1'
      from told, generate_series(1, attempts) number
  )
  insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts, died_at, resolution, resolved_at)
  select message_id, target, order_id, 'answered ' || 400 + n % 7, jsonb_build_array(
           jsonb_build_object('answer', jsonb_build_object('status', 422, 'text', repeat(md5(n::text), 30)))), at,
         case when n / $7::int % 2 = 0 then 'discarded' end, case when n / $7::int % 2 = 0 then at end
    from told where state = 'dead'`

// With commits that are not waited for, vacuum would not know yet that these rows are everybody's, and no scan would
// be index-only.
async function tidy(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('set synchronous_commit = on; set statement_timeout = 0')
    await client.query('vacuum analyze')
  } finally {
    client.release(true)
  }
}
