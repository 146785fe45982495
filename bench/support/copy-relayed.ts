import type pg from 'pg'

/** Keeps what was written for the one order there is, apart: its own delivery will be made as any other. */
export const keepSeed = `
  create table public.bench_seed as
  select o, m, d, j from orderwheel.messages m
    join orderwheel.orders o on o.id = m.order_id
    join orderwheel.deliveries d on d.message_id = m.id
    join pgboss.job j on j.name = d.target and j.id = d.message_id`

/**
 * Copies the seed, numbered $1 … $2 of up to $3, as the relay would have written $4 at a time, the last ones at $5.
 * Batches lie 50 ms apart: a million has been waiting for up to 100 s. `unchecked`, until the commit: every
 * row's parent is in this statement, so no foreign key has to be looked at.
 */
export const copyRelayed = `
  with unchecked as materialized (
    select set_config('session_replication_role', 'replica', true)
  ), fresh as materialized (
    select uuidv7() as order_id, uuidv7() as message_id, 'COPY-' || n as external_id,
           nextval(pg_get_serial_sequence('orderwheel.outbox', 'position')) as position,
           $5::timestamptz - (($3::int - n - 1) / $4::int) * interval '50 ms' as at
      from unchecked, generate_series($1::int, $2::int) n
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

/** Throws when the first copy is not what the relay wrote, ids, positions and times apart. */
export async function refuseDifference(pool: pg.Pool): Promise<void> {
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
