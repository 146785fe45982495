-- A declined order gave its number up, and its rows stood under the one that took its place: whoever asked by the number that
-- the buyer has saw that a payment was declined, and nothing else of the order. They have the buyer's number now. What a
-- declined order can have is in here twice, of all others by the order's number and of the declined by their payment's: each
-- is found in an index, and a coalesce of both would be found in none. No target is told of a declined order, so that there
-- are no deliveries, letters or decisions of it.

create or replace view orderwheel.order_timeline as
select o.id as order_id, o.external_id, o.received_at as at, 1 as step, 'order received' as event,
       null::text as target, null::integer as attempt, null::text as detail,
       null::text as who, null::uuid as replay_id
  from orderwheel.orders o
 where not exists (select from orderwheel.payments p where p.order_id = o.id and p.state = 'declined')
union all
select o.id, p.external_id, o.received_at, 1, 'order received', null, null, null, null, null
  from orderwheel.payments p join orderwheel.orders o on o.id = p.order_id
 where p.state = 'declined'
union all
select m.order_id, o.external_id, m.created_at, 2, m.kind, null, null, null, null, null
  from orderwheel.messages m left join orderwheel.orders o on o.id = m.order_id
 where not exists (select from orderwheel.payments p where p.order_id = m.order_id and p.state = 'declined')
union all
select m.order_id, p.external_id, m.created_at, 2, m.kind, null, null, null, null, null
  from orderwheel.payments p join orderwheel.messages m on m.order_id = p.order_id
 where p.state = 'declined'
union all
select b.order_id, o.external_id, b.created_at, 2, b.kind, null, null,
       coalesce('not relayed: ' || orderwheel.without_person(b.refusal, o.document), 'not relayed yet'), null, null
  from orderwheel.outbox b join orderwheel.orders o on o.id = b.order_id
 where not exists (select from orderwheel.payments p where p.order_id = b.order_id and p.state = 'declined')
union all
select b.order_id, p.external_id, b.created_at, 2, b.kind, null, null,
       coalesce('not relayed: ' || orderwheel.without_person(b.refusal, o.document), 'not relayed yet'), null, null
  from orderwheel.payments p
  join orderwheel.outbox b on b.order_id = p.order_id
  join orderwheel.orders o on o.id = p.order_id
 where p.state = 'declined'
union all
select b.id, null, b.created_at, 2, b.kind, null, null,
       coalesce('not relayed: ' || orderwheel.without_person(b.refusal, '{}'), 'not relayed yet'), null, null
  from orderwheel.outbox b
 where b.order_id is null and b.kind not like 'order.%' -- as the index says that finds one
union all
select d.order_id, o.external_id, a.started_at, 3, a.outcome, a.target, a.number,
       orderwheel.without_person(a.reason, o.document), null, null
  from orderwheel.delivery_attempts a
  join orderwheel.deliveries d using (message_id, target)
  left join orderwheel.orders o on o.id = d.order_id
union all
select d.order_id, o.external_id, d.started_at, 3, 'attempt under way', d.target, d.attempts + 1, null, null, null
  from orderwheel.deliveries d left join orderwheel.orders o on o.id = d.order_id
 where d.state = 'active'
union all
select l.order_id, o.external_id, l.died_at, 4, 'dead letter', l.target, null,
       orderwheel.without_person(l.reason, o.document), null, null
  from orderwheel.dead_letters l left join orderwheel.orders o on o.id = l.order_id
union all
select l.order_id, o.external_id, l.resolved_at, 5, 'dead letter ' || l.resolution, l.target, null,
       orderwheel.without_person(l.comment, o.document), l.resolved_by, l.replay_id
  from orderwheel.dead_letters l left join orderwheel.orders o on o.id = l.order_id
 where l.resolved_at is not null
union all
select p.order_id, p.external_id, coalesce(p.settled_at, p.begun_at), case when p.settled_at is null then 2 else 1 end,
       'payment ' || p.state, null, null,
       orderwheel.without_person(coalesce(p.reason, p.provider || ' ' || p.reference), o.document), null, null
  from orderwheel.payments p join orderwheel.orders o on o.id = p.order_id
union all
select d.order_id, o.external_id, d.settled_at, 4, 'withdrawn', d.target, null,
       format('%s: the order was cancelled before %s was told of it', m.kind, d.target), null, null
  from orderwheel.deliveries d
  join orderwheel.messages m on m.id = d.message_id
  join orderwheel.orders o on o.id = d.order_id
 where d.state = 'cancelled'
union all
select d.order_id, o.external_id, d.settled_at, 4, 'shed', d.target, null,
       format('%s: so much was open for %s that it was not told of this', m.kind, d.target), null, null
  from orderwheel.deliveries d
  join orderwheel.messages m on m.id = d.message_id
  left join orderwheel.orders o on o.id = d.order_id
 where d.state = 'shed'
union all
select m.id, null, a.at, 6, replace(split_part(a.action, '.', 2), '-', ' ') || ' by ' || a.who,
       a.details->>'target', null, orderwheel.without_person(a.reason, '{}'), a.who, null
  from orderwheel.audit_log a join orderwheel.messages m on a.subject = m.id::text and m.order_id = m.id
 where a.action like 'delivery.%'
union all
select o.id, o.external_id, a.at, 6, replace(split_part(a.action, '.', 2), '-', ' ') || ' by ' || a.who,
       a.details->>'target', null, orderwheel.without_person(a.reason, o.document), a.who, null
  from orderwheel.audit_log a join orderwheel.orders o on a.subject = o.id::text
 where a.action like 'delivery.%'
union all
select o.id, o.external_id, o.forgotten_at, 7, 'personal data forgotten', null, null, null, null, null
  from orderwheel.orders o
 where o.forgotten_at is not null and not exists (select from orderwheel.payments p where p.order_id = o.id and p.state = 'declined')
union all
select o.id, p.external_id, o.forgotten_at, 7, 'personal data forgotten', null, null, null, null, null
  from orderwheel.payments p join orderwheel.orders o on o.id = p.order_id
 where p.state = 'declined' and o.forgotten_at is not null
union all
select o.id, o.external_id, o.cancelled_at, 2, 'order.cancelled', null, null,
       'what was told of it is not kept any more', null, null
  from orderwheel.orders o
 where o.cancelled_at is not null and not exists (select from orderwheel.payments p where p.order_id = o.id and p.state = 'declined')
   and not exists (select from orderwheel.messages m where m.order_id = o.id and m.kind = 'order.cancelled')
union all
select o.id, p.external_id, o.cancelled_at, 2, 'order.cancelled', null, null,
       'what was told of it is not kept any more', null, null
  from orderwheel.payments p join orderwheel.orders o on o.id = p.order_id
 where p.state = 'declined' and o.cancelled_at is not null
   and not exists (select from orderwheel.messages m where m.order_id = o.id and m.kind = 'order.cancelled');
comment on column orderwheel.order_timeline.external_id is 'The storefront''s order number, also of a declined order, which gave it up; null: a message about no order.';
