select o.id, md5(concat_ws('|', o.forgotten_at, p.state,
 (select string_agg(x.position || ':' || least(x.refusals, 1), ',' order by x.position)
    from orderwheel.outbox x where x.order_id = o.id),
 (select string_agg(m.position::text, ',' order by m.position)
    from orderwheel.messages m where m.order_id = o.id and "m"."id" >= $1::uuid),
 (select string_agg(d.target || ':' || d.state || d.attempts, ',' order by d.position, d.target)
    from orderwheel.deliveries d
   where d.order_id = o.id and "d"."message_id" >= $2::uuid))) as pulse
 from orderwheel.orders o
 left join orderwheel.payments p on p.order_id = o.id
where o.id = any($3::uuid[]);
