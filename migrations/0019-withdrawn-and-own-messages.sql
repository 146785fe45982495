-- Messages of kinds that an application declares, about an order or about none; and what a target was not told because
-- the order was cancelled first, as a part of the order's story.

alter table orderwheel.outbox alter column order_id drop not null;
-- Not validated, which would read it all under the lock: until this moment, every message had an order.
alter table orderwheel.outbox add constraint outbox_order_kinds_have_orders
  check (order_id is not null or kind not like 'order.%') not valid;
-- The rows of orders, which are nearly all, are not in it and cost nothing.
create index outbox_own_kinds on orderwheel.outbox (id) where kind not like 'order.%';
comment on table  orderwheel.outbox is 'Messages not yet relayed. Any program may insert a row in the transaction that changes what it tells of (docs/messages.md); the relay deletes it in the transaction that writes messages, deliveries and jobs.';
comment on column orderwheel.outbox.order_id is 'The order it happened to; null: it is about none.';
comment on column orderwheel.outbox.kind is 'What happened: order.placed, order.cancelled, or a kind that the configuration declares in messages.';
comment on column orderwheel.outbox.payload is 'What happened, in detail, beyond the order itself. Of a declared kind: as its schema says, at most 256 KiB.';
comment on constraint outbox_order_kinds_have_orders on orderwheel.outbox is 'What happened to an order names it.';
comment on index  orderwheel.outbox_own_kinds is 'A message of an application''s own kind by its id, while it is not relayed: GET /messages/{id}, order_timeline, verify.';

comment on column orderwheel.messages.order_id is 'The order it happened to; the message''s own id: it is about none, and stands for itself.';
comment on column orderwheel.deliveries.order_id is 'The message''s order, repeated here to find an order''s deliveries; of a message about no order, the message''s id.';
comment on column orderwheel.dead_letters.order_id is 'The delivery''s order; of a message about no order, the message''s id.';

alter table orderwheel.verify_pending add column alone boolean not null default false;
comment on column orderwheel.verify_pending.order_id is 'The message''s order, or the same id: of an order, and of a message about none (alone).';
comment on column orderwheel.verify_pending.alone is 'Whether it is a message about no order.';

alter table orderwheel.api_keys drop constraint api_keys_scopes_check;
alter table orderwheel.api_keys add constraint api_keys_scopes_check
  check (cardinality(scopes) > 0
         and scopes <@ array['orders:write', 'orders:read', 'messages:write', 'reports', 'ops:read', 'ops:write']);
comment on column orderwheel.api_keys.scopes is 'What the key may do: orders:write, orders:read, messages:write, reports, ops:read, ops:write.';

create or replace view orderwheel.order_timeline as
select o.id as order_id, o.external_id, o.received_at as at, 1 as step, 'order received' as event,
       null::text as target, null::integer as attempt, null::text as detail,
       null::text as who, null::uuid as replay_id
  from orderwheel.orders o
union all
select m.order_id, o.external_id, m.created_at, 2, m.kind, null, null, null, null, null
  from orderwheel.messages m left join orderwheel.orders o on o.id = m.order_id
union all
select b.order_id, o.external_id, b.created_at, 2, b.kind, null, null,
       coalesce('not relayed: ' || orderwheel.without_person(b.refusal, o.document), 'not relayed yet'), null, null
  from orderwheel.outbox b join orderwheel.orders o on o.id = b.order_id
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
 where o.forgotten_at is not null;
comment on view   orderwheel.order_timeline is 'One order''s whole story. Ask for one order_id or external_id, order by at, step. A message about no order is found by its id as order_id.';
comment on column orderwheel.order_timeline.order_id is 'The order; of a message about none, the message.';
comment on column orderwheel.order_timeline.external_id is 'The storefront''s order number; null: a message about no order.';
comment on column orderwheel.order_timeline.event is 'What happened: order received, payment captured, a message''s kind, an attempt''s outcome, withdrawn, dead letter, what a person decided.';

create or replace view orderwheel.stuck_deliveries as
select d.order_id, d.message_id, t.name as target, d.state, d.attempts, d.created_at, d.started_at,
       now() - d.created_at as open_for, why.because
  from orderwheel.targets t
 cross join lateral (
   select case
          when t.paused_at is not null and coalesce(t.paused_until > now(), true)
          then format('%s is paused by %s%s: %s', t.name, t.paused_by,
                      to_char(t.paused_until at time zone 'utc', '" until "YYYY-MM-DD HH24:MI"Z"'), t.pause_reason)
          when t.circuit in ('open', 'probing')
          then format('%s''s circuit is %s: %s', t.name, t.circuit, orderwheel.without_person(t.circuit_reason, '{}'))
          when not exists (select from orderwheel.slot_leases s
                            where s.target = t.name and s.renewed_at > now() - interval '1 minute')
          then format('no worker calls %s', t.name)
          when not exists (select from orderwheel.target_counts c
                            where c.target = t.name and c.period > now() - interval '5 minutes')
          then format('no call of %s has ended for 5 minutes', t.name) end as because
    offset 0) target -- once for a target, not for each of its deliveries
 cross join lateral (
   select * from orderwheel.deliveries
    where target = t.name and settled_at is null and created_at < now() - interval '15 minutes'
    order by created_at, message_id
    limit 1000) d
 cross join lateral (
   select case d.state
          when 'queued' then target.because
          when 'retrying' then coalesce(target.because, (
            select format('failed %s times: %s', d.attempts, orderwheel.failure_of(orderwheel.without_person(a.reason, o.document)))
              from orderwheel.delivery_attempts a left join orderwheel.orders o on o.id = d.order_id
             where a.message_id = d.message_id and a.target = d.target and a.number = d.attempts))
          when 'active' then case when d.started_at < now() - interval '15 minutes'
                                  then format('its call began at %s', to_char(d.started_at at time zone 'utc', 'YYYY-MM-DD HH24:MI"Z"')) end
          when 'waiting' then (
            select case when count(*) = 0 then 'waits for nothing'
                        else min(format('waits for %s, which is uncertain: a person decides', b.target))
                               filter (where b.state = 'uncertain') end
              from orderwheel.deliveries b
             where b.order_id = d.order_id
               and (b.message_id = d.message_id and b.target = any(d.after)
                    or b.position < d.position and b.target = d.target)
               and b.state not in ('delivered', 'skipped', 'shed', 'cancelled')) end as because
    offset 0) why
 where why.because is not null
union all
-- What waits for a dead delivery is found from its letter: among a million that wait, it may be anywhere.
select w.order_id, w.message_id, w.target, w.state, w.attempts, w.created_at, w.started_at,
       now() - w.created_at, format('waits for %s, which is dead: a person decides', l.target)
  from orderwheel.targets t
 cross join lateral (
   select order_id, message_id, target from orderwheel.dead_letters
    where target = t.name and resolved_at is null
    order by died_at
    limit 1000) l
 cross join lateral (
   select * from orderwheel.deliveries
    where order_id = l.order_id and state = 'waiting' and created_at < now() - interval '15 minutes'
      and (message_id = l.message_id and l.target = any(after)
           or message_id <> l.message_id and target = l.target)
   offset 0) w;
comment on column orderwheel.stuck_deliveries.order_id is 'The order; of a message about none, the message.';
