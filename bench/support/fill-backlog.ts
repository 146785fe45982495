import type pg from 'pg'

import { exampleOrder } from '#messages/example-order.ts'

import type { Bench, BenchDatabase } from '../scenario.ts'

export type Backlog = {
  /** Adds `count` waiting deliveries with everything that belongs to them, the oldest first, in bulk. */
  add(count: number): Promise<void>
}

/**
 * Prepares filling the queue of one target faster than the relay would: one order is really relayed, and
 * what the product wrote for it is copied with other ids. What is copied is whatever the product writes
 * today, column by column; a copy that differs in anything but ids and times throws.
 */
export async function prepareBacklog(
  bench: Bench,
  database: BenchDatabase,
  env: Record<string, string>,
): Promise<Backlog> {
  const { pool } = database
  await placeSeed(pool)
  const relay = bench.startOrderwheel(['relay', '--drain'], { DATABASE_URL: database.url, ...env })
  if ((await relay.ended) !== 0) throw new Error(`the relay failed:\n${relay.output()}`)
  // Kept apart, because the seed's own delivery is made as any other.
  await pool.query(`
    create table public.bench_seed as
    select o, m, d, j from orderwheel.messages m
      join orderwheel.orders o on o.id = m.order_id
      join orderwheel.deliveries d on d.message_id = m.id
      join pgboss.job j on j.name = d.target and j.id = d.message_id`)
  const add = createCopier(pool)
  await add(1)
  await refuseDifference(pool)
  return { add }
}

async function placeSeed(pool: pg.Pool): Promise<void> {
  await pool.query(
    `with placed as (
       insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
       values ('SEED', uuidv7(), 'SEED', sha256('SEED'), $1)
       returning id
     )
     insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed`,
    [exampleOrder('SEED')],
  )
}

// The relay's batch: jobs of one transaction have the same time, which fetching sorts by.
const relayedAtATime = 500
// A statement's worth; more would only wait for its own commit.
const copiedAtATime = 10_000
const connections = 2

function createCopier(pool: pg.Pool) {
  let made = 0
  return async function add(count: number): Promise<void> {
    const end = made + count
    const took = await pool.query<{ now: Date }>('select clock_timestamp() as now')
    const now = took.rows[0]?.now ?? new Date()
    const copyOn = async () => {
      const client = await pool.connect()
      try {
        // Every row's parent is in the same statement: looking for it a million times tells nothing.
        await client.query('set session_replication_role = replica')
        while (made < end) {
          const from = made
          made = Math.min(end, made + copiedAtATime)
          await client.query(copy, [from, made - 1, end, relayedAtATime, now])
        }
        await client.query('reset session_replication_role')
      } finally {
        client.release()
      }
    }
    await Promise.all(Array.from({ length: connections }, copyOn))
  }
}

// Batches lie 50 ms apart, the last one now: a million has been waiting for up to 100 s.
const copy = `
  with fresh as materialized (
    select uuidv7() as order_id, uuidv7() as message_id, 'COPY-' || n as external_id,
           nextval(pg_get_serial_sequence('orderwheel.outbox', 'position')) as position,
           $5::timestamptz - (($3::int - n) / $4::int) * interval '50 ms' as at
      from generate_series($1::int, $2::int) n
  ), orders as (
    insert into orderwheel.orders
    select r.* from public.bench_seed s, fresh f, jsonb_populate_record(s.o, jsonb_build_object(
      'id', f.order_id, 'external_id', f.external_id, 'idempotency_key', f.external_id, 'received_at', f.at,
      'document', jsonb_set((s.o).document, '{externalId}', to_jsonb(f.external_id)))) r
  ), messages as (
    insert into orderwheel.messages
    select r.* from public.bench_seed s, fresh f, jsonb_populate_record(s.m, jsonb_build_object(
      'id', f.message_id, 'order_id', f.order_id, 'position', f.position,
      'created_at', f.at, 'relayed_at', f.at)) r
  ), deliveries as (
    insert into orderwheel.deliveries
    select r.* from public.bench_seed s, fresh f, jsonb_populate_record(s.d, jsonb_build_object(
      'message_id', f.message_id, 'order_id', f.order_id, 'position', f.position, 'created_at', f.at)) r
  )
  insert into pgboss.job
  select r.* from public.bench_seed s, fresh f, jsonb_populate_record(s.j, jsonb_build_object(
    'id', f.message_id, 'singleton_key', replace((s.j).singleton_key, (s.o).id::text, f.order_id::text),
    'data', replace((s.j).data::text, (s.o).id::text, f.order_id::text)::jsonb,
    'created_on', f.at, 'start_after', f.at)) r`

// Ids, positions and times apart, a copy's rows as text are its seed's.
async function refuseDifference(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ seed: string; copy: string }>(`
    with both_rows as (
      select 'seed' as what, o, m, d, j from public.bench_seed
      union all
      select 'copy', o, m, d, j from orderwheel.orders o
        join orderwheel.messages m on m.order_id = o.id
        join orderwheel.deliveries d on d.message_id = m.id
        join pgboss.job j on j.name = d.target and j.id = d.message_id
       where o.external_id = 'COPY-0'
    ), texts as (
      select what, replace(replace(replace(
               jsonb_build_array(
                 to_jsonb(o) - 'received_at',
                 to_jsonb(m) - array['created_at', 'relayed_at', 'position'],
                 to_jsonb(d) - array['created_at', 'position'],
                 to_jsonb(j) - array['created_on', 'start_after', 'keep_until'])::text,
               (o).id::text, 'order'), (m).id::text, 'message'), (o).external_id, 'external') as rows
        from both_rows
    )
    select (select rows from texts where what = 'seed') as seed,
           (select rows from texts where what = 'copy') as copy`)
  const [row] = rows
  if (row?.copy && row.seed === row.copy) return
  throw new Error(`a copied row is not what the relay writes:\n${row?.seed}\n${row?.copy}`)
}
