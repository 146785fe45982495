-- Targets that may miss something: what is open for them is bounded, and what comes past that is shed. The previous
-- version's relays shed nothing, and its workers refuse to replay what was.

create table orderwheel.shedding (
  target   text        primary key references orderwheel.targets on delete cascade,
  max_open integer     check (max_open between 1 and 100000),
  first_at timestamptz,
  began_at timestamptz,
  ended_at timestamptz check (ended_at is null or began_at is not null),
  shed     bigint      not null default 0 check (shed >= 0)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table  orderwheel.shedding is 'Droppable targets: whether they shed now, and how much they ever did. A row for each target that was ever droppable.';
comment on column orderwheel.shedding.target is 'The target.';
comment on column orderwheel.shedding.max_open is 'So many open deliveries, and further ones are shed until half as many are open. Null: it is not droppable any more.';
comment on column orderwheel.shedding.first_at is 'When a delivery was shed for the first time; null: none was.';
comment on column orderwheel.shedding.began_at is 'When it last began to shed; null: it never did.';
comment on column orderwheel.shedding.ended_at is 'When it last ended; null while it sheds, and when it never did.';
comment on column orderwheel.shedding.shed is 'Deliveries that were ever shed, those included that were replayed.';
comment on constraint shedding_check on orderwheel.shedding is 'What ended began.';
comment on constraint shedding_target_fkey on orderwheel.shedding is 'Only a declared target sheds.';
comment on index  orderwheel.shedding_pkey is 'One row for a target.';

alter table orderwheel.target_changes drop constraint target_changes_change_check;
alter table orderwheel.target_changes add constraint target_changes_change_check
  check (change in ('circuit-opened', 'circuit-probing', 'circuit-ramping', 'circuit-closed', 'paused', 'resumed',
                    'limits-set', 'shedding-began', 'shedding-ended'));
comment on table  orderwheel.target_changes is 'Every change of a target''s circuit, pause and limits, and when it began and ended to shed. The last 90 days; what operators did is in audit_log for good.';
comment on column orderwheel.target_changes.change is 'What: the circuit''s new state, paused, resumed, limits-set, shedding-began, shedding-ended.';
comment on column orderwheel.target_changes.who is 'The worker or relay process or the operator.';

comment on column orderwheel.deliveries.state is 'waiting: for another delivery · queued: has a job · active: has been being called for a second or more (before that, its job in pgboss is active) · retrying: has a job with a later start · delivered · dead: given up, see dead_letters · uncertain: may have been told, a person decides · shed: never told, too much was open for its droppable target · skipped · cancelled.';

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
 where o.forgotten_at is not null;
comment on column orderwheel.order_timeline.event is 'What happened: order received, payment captured, a message''s kind, an attempt''s outcome, withdrawn, shed, dead letter, what a person decided.';
