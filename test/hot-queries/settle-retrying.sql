with patience as materialized (
  select set_config('lock_timeout', '4s', true)
), ended as materialized (
  select e.* from patience, json_to_recordset($1::json) as e(
    i uuid, n int, f int, s text, q boolean, k boolean, o text, r text, c boolean, ago float8, ms int, a jsonb)
), locked as materialized (
  select e.*
    from ended e join orderwheel.deliveries d on d.message_id = e.i and d.target = $2 and "d"."message_id" between $3::uuid and $4::uuid
   order by d.message_id
     for update of d
), settled as (
  update orderwheel.deliveries d
     set state = coalesce(e.s, case when d.state = 'active' then 'retrying' else d.state end),
         attempts = case when e.o is null then d.attempts else e.n end,
         uncharged = d.uncharged + case when e.c then 0 when e.o is null then 0 else 1 end,
         edited = case when e.s = 'delivered' then null else d.edited end,
         last_fetch = e.f, ask_first = e.q, worker = $5,
         lost_in_a_row = case when e.o is null or e.k then least(d.lost_in_a_row, 2) else 0 end,
         started_at = case when e.o is null then d.started_at else now() - make_interval(secs => e.ago) end,
         settled_at = case when coalesce(e.s, 'retrying') = 'retrying' then null else now() end
    from locked e
   where d.message_id = e.i and d.target = $6 and "d"."message_id" between $7::uuid and $8::uuid
  returning d.order_id, d.awaited and d.state in ('delivered', 'cancelled') as releases
), recorded as (
  insert into orderwheel.delivery_attempts
         (message_id, target, number, started_at, duration_ms, outcome, reason, answer, worker, charged)
  select i, $9, n, now() - make_interval(secs => ago), ms, o, r, a, $10, c
    from locked where o is not null
)
select distinct order_id as "orderId" from settled where releases;
