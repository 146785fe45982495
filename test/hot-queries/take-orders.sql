with patience as materialized (
  select set_config('lock_timeout', '500ms', true)
), incoming as materialized (
  select n, uuidv7() as id, e as external_id, a as api_key_id, k as idempotency_key, f as fingerprint, d as document
    from patience, jsonb_to_recordset($1::jsonb) as o(n integer, e text, a uuid, k text, f text, d jsonb)
   order by e, n
), placed as (
  insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document)
  select id, external_id, api_key_id, idempotency_key, decode(fingerprint, 'hex'), document from incoming
  on conflict do nothing
  returning id
), told as (
  insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed
)
select n, id from placed join incoming using (id);
