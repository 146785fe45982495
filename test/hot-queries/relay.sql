with due as (
  select position from orderwheel.outbox o
   where o.try_after is null
     and not exists (
       select from orderwheel.outbox earlier
        where earlier.order_id = o.order_id and earlier.position < o.position)
   order by position
   limit $1
     for update skip locked
), taken as (
  delete from orderwheel.outbox where position in (select position from due)
  returning id, position, order_id, kind, payload, created_at
), kept as (
  insert into orderwheel.messages (id, position, order_id, kind, payload, created_at, targets)
  select t.id, t.position, coalesce(t.order_id, t.id), t.kind, t.payload, t.created_at, coalesce(r.targets, '{}')
    from taken t
    left join json_to_recordset($2::json) as r(kind text, targets text[]) on r.kind = t.kind
)
select id, position, coalesce(order_id, id) as "orderId", kind, coalesce(size > $3, false) as "isTooLarge",
       case when size <= $4 then payload end as payload
  from (select *, case when kind not like 'order.%' then octet_length(payload::text) end as size from taken) t
 order by position;

with holding as materialized (
  select message_id, target from orderwheel.deliveries
   where order_id = any($1::uuid[])
     and state not in ('delivered', 'skipped', 'shed', 'cancelled')
     and "message_id" >= $2::uuid
   order by message_id, target
     for update
)
update orderwheel.deliveries d set awaited = true
  from holding h
 where d.message_id = h.message_id and d.target = h.target and "d"."message_id" >= $3::uuid
returning d.order_id, d.target;

insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, awaited, settled_at)
select "messageId", target, position, "orderId", state, after, awaited,
       case when state in ('cancelled', 'shed') then now() end
  from json_to_recordset($1::json)
    as d("messageId" uuid, target text, position bigint, "orderId" uuid, state text, after text[], awaited boolean);
