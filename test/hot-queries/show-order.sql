select o.id, coalesce(p.external_id, o.external_id) as "externalId", to_json(o.received_at) as "receivedAt", o.document as "order",
 coalesce(o.received_at < orderwheel.history_since(), false) as "historyDropped",
 o.cancelled_at is not null as "wasCancelled", o.forgotten_at is not null as "isForgotten",
 case when p.order_id is not null then json_build_object(
           'state', p.state, 'became', p.became, 'provider', p.provider, 'reference', p.reference, 'mode', p.mode,
           'reason', p.reason, 'declineCode', p.code, 'attempts', p.attempts, 'settledAt', p.settled_at) end as payment,
 (select coalesce(json_agg(json_build_object(
           'id', m.id, 'kind', m.kind, 'createdAt', m.created_at,
           'relayedAt', m.relayed_at, 'refusal', m.refusal) order by m.position), '[]')
    from (select position, id, kind, created_at, relayed_at, null as refusal
            from orderwheel.messages where order_id = o.id
          union all
          select position, id, kind, created_at, null, refusal
            from orderwheel.outbox where order_id = o.id) m) as messages,
 (select coalesce(json_agg(json_build_object(
           'target', d.target, 'position', d.position, 'messageId', d.message_id, 'kind', m.kind, 'state', d.state,
           'after', d.after, 'attemptCount', d.attempts + (d.state = 'active')::int, 'settledAt', d.settled_at,
           'deadLetterId', case when d.state = 'dead' then (
             select l.id from orderwheel.dead_letters l
              where l.message_id = d.message_id and l.target = d.target and l.resolved_at is null
              limit 1) end,
           'attempts', (
             select coalesce(json_agg(json_build_object(
                      'number', a.number, 'startedAt', a.started_at, 'durationMs', a.duration_ms,
                      'outcome', a.outcome, 'reason', a.reason, 'answer', a.answer) order by a.number), '[]')
               from orderwheel.delivery_attempts a
              where a.message_id = d.message_id and a.target = d.target)
         ) order by d.position, d.target), '[]')
    from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
   where d.order_id = o.id) as deliveries
 from orderwheel.orders o
 left join orderwheel.payments p on p.order_id = o.id
where o.id = coalesce(
      (select id from orderwheel.orders where external_id = $1),
      (select order_id from orderwheel.payments
        where external_id = $2 and state = 'declined'
        order by order_id desc limit 1));
