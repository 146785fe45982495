select d.message_id as "messageId", d.order_id as "orderId", d.attempts, d.uncharged,
       d.last_fetch as "lastFetch", d.lost_in_a_row as "lostInARow", d.ask_first as "askFirst", d.awaited, (d.started_at is not null and (d.state = 'active' or not exists (
         select from orderwheel.delivery_attempts a
          where a.message_id = d.message_id and a.target = d.target and a.started_at >= d.started_at
            and "a"."message_id" between $1::uuid and $2::uuid))) as "isShown",
       d.edited, d.after <> '{}' or m.kind <> 'order.placed' as "hasEarlier", m.kind, m.payload,
       date_part('epoch', m.created_at) as "createdAt",
       o.document::text as document, date_part('epoch', o.received_at) as "receivedAt",
       now()::text as "claimedAt", coalesce((
select case
         when i.system_identifier <> orderwheel.this_cluster() then 'cluster'
         when i.database_oid <> d.oid then 'database'
         when i.database_name <> d.datname then 'renamed'
         when i.written_by::xid <> i.xmin then 'copied'
         when i.environment is distinct from $3::text then 'environment'
         else 'fits'
       end
  from orderwheel.installation i, pg_database d
 where d.datname = current_database()), 'no-owner') as fit
  from orderwheel.deliveries d
 cross join lateral (
         select * from orderwheel.messages where id = d.message_id and "id" between $4::uuid and $5::uuid offset 0) m
  left join lateral (select * from orderwheel.orders where id = d.order_id offset 0) o on true
 where d.message_id = any($6::uuid[]) and "d"."message_id" between $7::uuid and $8::uuid
   and d.target = $9 and d.settled_at is null;
