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
              when t.payment <> 'declined' and $2 = any(r.targets) then array[$3] else '{}' end
    from about t
    left join json_to_recordset($4::json) as r(kind text, targets text[]) on r.kind = t.kind
)
select id, position, coalesce(order_id, id) as "orderId", kind, coalesce(size > $5, false) as "isTooLarge",
       case when size <= $6 then payload end as payload,
       payment, unplaced as "isUnplaced"
  from (select *, case when kind not like 'order.%' then octet_length(payload::text) end as size from about) t
 order by position;

with holding as materialized (
  select message_id, target, state from orderwheel.deliveries
   where order_id = any($1::uuid[])
     and state not in ('delivered', 'skipped', 'cancelled')
     and "message_id" >= $2::uuid
   order by message_id, target
     for update
)
update orderwheel.deliveries d set awaited = true
  from holding h
 where h.state <> 'shed' and d.message_id = h.message_id and d.target = h.target and "d"."message_id" >= $3::uuid
returning d.order_id, d.target;

insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, awaited, settled_at)
select "messageId", target, position, "orderId", state, after, awaited,
       case when state in ('cancelled', 'shed') then now() end
  from json_to_recordset($1::json)
    as d("messageId" uuid, target text, position bigint, "orderId" uuid, state text, after text[], awaited boolean);
