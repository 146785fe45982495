-- What a target was not told because the order was cancelled first is a part of the order's story.

create or replace view orderwheel.order_timeline as
select o.id as order_id, o.external_id, o.received_at as at, 1 as step, 'order received' as event,
       null::text as target, null::integer as attempt, null::text as detail,
       null::text as who, null::uuid as replay_id
  from orderwheel.orders o
union all
select m.order_id, o.external_id, m.created_at, 2, m.kind, null, null, null, null, null
  from orderwheel.messages m join orderwheel.orders o on o.id = m.order_id
union all
select b.order_id, o.external_id, b.created_at, 2, b.kind, null, null,
       coalesce('not relayed: ' || orderwheel.without_person(b.refusal, o.document), 'not relayed yet'), null, null
  from orderwheel.outbox b join orderwheel.orders o on o.id = b.order_id
union all
select d.order_id, o.external_id, a.started_at, 3, a.outcome, a.target, a.number,
       orderwheel.without_person(a.reason, o.document), null, null
  from orderwheel.delivery_attempts a
  join orderwheel.deliveries d using (message_id, target)
  join orderwheel.orders o on o.id = d.order_id
union all
select d.order_id, o.external_id, d.started_at, 3, 'attempt under way', d.target, d.attempts + 1, null, null, null
  from orderwheel.deliveries d join orderwheel.orders o on o.id = d.order_id
 where d.state = 'active'
union all
select l.order_id, o.external_id, l.died_at, 4, 'dead letter', l.target, null,
       orderwheel.without_person(l.reason, o.document), null, null
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
union all
select l.order_id, o.external_id, l.resolved_at, 5, 'dead letter ' || l.resolution, l.target, null,
       orderwheel.without_person(l.comment, o.document), l.resolved_by, l.replay_id
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
 where l.resolved_at is not null
union all
select d.order_id, o.external_id, d.settled_at, 4, 'withdrawn', d.target, null,
       format('%s: the order was cancelled before %s was told of it', m.kind, d.target), null, null
  from orderwheel.deliveries d
  join orderwheel.messages m on m.id = d.message_id
  join orderwheel.orders o on o.id = d.order_id
 where d.state = 'cancelled'
union all
select o.id, o.external_id, a.at, 6, replace(split_part(a.action, '.', 2), '-', ' ') || ' by ' || a.who,
       a.details->>'target', null, orderwheel.without_person(a.reason, o.document), a.who, null
  from orderwheel.audit_log a join orderwheel.orders o on a.subject = o.id::text
 where a.action like 'delivery.%'
union all
select o.id, o.external_id, o.forgotten_at, 7, 'personal data forgotten', null, null, null, null, null
  from orderwheel.orders o
 where o.forgotten_at is not null;
comment on column orderwheel.order_timeline.event is 'What happened: order received, a message''s kind, an attempt''s outcome, withdrawn, dead letter, what a person decided.';
