select d.message_id as "messageId", d.order_id as "orderId", d.attempts, d.uncharged,
       d.last_fetch as "lastFetch", d.lost_in_a_row as "lostInARow", d.ask_first as "askFirst", d.awaited,
       d.edited, d.after <> '{}' or m.kind <> 'order.placed' as "hasEarlier", m.kind, m.payload,
       date_part('epoch', m.created_at) as "createdAt",
       o.document::text as document, date_part('epoch', o.received_at) as "receivedAt",
       now()::text as "claimedAt", coalesce((
select case
         when i.system_identifier <> orderwheel.this_cluster() then 'cluster'
         when i.database_oid <> d.oid then 'database'
         when i.database_name <> d.datname then 'renamed'
         when i.written_by::xid <> i.xmin then 'copied'
         when i.environment is distinct from $1::text then 'environment'
         else 'fits'
       end
  from orderwheel.installation i, pg_database d
 where d.datname = current_database()), 'no-owner') as fit
  from orderwheel.deliveries d
 cross join lateral (
         select * from orderwheel.messages where id = d.message_id and "id" between $2::uuid and $3::uuid offset 0) m
  left join lateral (select * from orderwheel.orders where id = d.order_id offset 0) o on true
 where d.message_id = any($4::uuid[]) and "d"."message_id" between $5::uuid and $6::uuid
   and d.target = $7 and d.settled_at is null;
