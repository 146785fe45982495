with patience as materialized (
  select set_config('lock_timeout', '4s', true)
), ended as materialized (
  select e.* from patience, json_to_recordset($1::json) as e(
    i uuid, n int, f int, s text, q boolean, k boolean, o text, r text, c boolean, ago float8, ms int, a jsonb)
), locked as materialized (
  select e.*, -- one that was shown while it lasted began when it was said to; none ended after what is written of its end
         case when d.state = 'active' and d.worker = $2 and d.attempts = e.n - 1 and d.started_at is not null
              then d.started_at
              else least(statement_timestamp() - make_interval(secs => e.ago), now() - make_interval(secs => e.ms / 1000.0))
         end as began
    from ended e join orderwheel.deliveries d on d.message_id = e.i and d.target = $3 and "d"."message_id" between $4::uuid and $5::uuid
   order by d.message_id
     for update of d
), settled as (
  update orderwheel.deliveries d
     set state = coalesce(e.s, case when d.state = 'active' then 'retrying' else d.state end),
         attempts = case when e.o is null then d.attempts else e.n end,
         uncharged = d.uncharged + case when e.c then 0 when e.o is null then 0 else 1 end,
         edited = case when e.s = 'delivered' then null else d.edited end,
         last_fetch = e.f, ask_first = e.q, worker = $6,
         lost_in_a_row = case when e.o is null or e.k then least(d.lost_in_a_row, 2) else 0 end,
         started_at = case when e.o is null then d.started_at else e.began end,
         settled_at = case when coalesce(e.s, 'retrying') = 'retrying' then null else now() end
    from locked e
   where d.message_id = e.i and d.target = $7 and "d"."message_id" between $8::uuid and $9::uuid
  returning d.order_id, d.awaited and d.state in ('delivered', 'cancelled') as releases
), recorded as (
  insert into orderwheel.delivery_attempts
         (message_id, target, number, started_at, duration_ms, outcome, reason, answer, worker, charged)
  select i, $10, n, began, ms, o, r, a, $11, c
    from locked where o is not null
)
select distinct order_id as "orderId" from settled where releases;
