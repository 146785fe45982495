select o.id, coalesce(p.external_id, o.external_id) as "externalId", to_json(o.received_at) as "receivedAt", to_json(now()) as "readAt",
 o.document #>> '{customer,locale}' as locale, o.forgotten_at is not null as "isForgotten",
 coalesce(o.received_at < orderwheel.history_since(), false) as "historyDropped",
 to_json(o.cancelled_at) as "cancelledAt",
 case when p.order_id is not null
      then json_build_object('state', p.state, 'settledAt', p.settled_at) end as payment,
 (select coalesce(json_agg(json_build_object(
           'id', m.id, 'kind', m.kind, 'createdAt', m.created_at,
           'relayedAt', m.relayed_at, 'isRefused', m.refused) order by m.position), '[]')
    from (select position, id, kind, created_at, relayed_at, false as refused
            from orderwheel.messages
           where order_id = o.id and "id" >= $1::uuid
          union all
          select position, id, kind, created_at, null, refusals > 0
            from orderwheel.outbox where order_id = o.id) m) as messages,
 (select coalesce(json_agg(json_build_object(
           'messageId', d.message_id, 'kind', m.kind, 'target', d.target, 'state', d.state,
           'isAfter', cardinality(d.after) > 0, 'createdAt', d.created_at,
           'startedAt', d.started_at, 'settledAt', d.settled_at,
           'attempts', (
             select coalesce(json_agg(json_build_object(
                      'number', a.number, 'startedAt', a.started_at, 'durationMs', a.duration_ms,
                      'outcome', a.outcome, 'reason', a.reason) order by a.number), '[]')
               from orderwheel.delivery_attempts a
              where a.message_id = d.message_id and a.target = d.target
                and "a"."message_id" >= $2::uuid),
           'diedAfter', (
             select coalesce(json_agg(jsonb_array_length(l.attempts)), '[]')
               from orderwheel.dead_letters l
              where l.message_id = d.message_id and l.target = d.target)
         ) order by d.position, d.target), '[]')
    from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
   where d.order_id = o.id and "d"."message_id" >= $3::uuid
     and "m"."id" >= $4::uuid) as deliveries
 from orderwheel.orders o
 left join orderwheel.payments p on p.order_id = o.id
where o.id = any($5::uuid[]);
