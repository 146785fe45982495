-- What all workers share about a target: circuit, pause, rate and concurrency; and lighter bookkeeping of attempts.
-- Stop the workers of the previous version first: they count an attempt when it begins, this version when it ends.

alter table orderwheel.targets
  add column priority              text        not null default 'normal' check (priority in ('high', 'normal', 'low')),
  add column rate_max              integer     check (rate_max between 1 and 1000000),
  add column rate_per_seconds      float8      check (rate_per_seconds between 0.1 and 86400),
  add column concurrency_set       integer     check (concurrency_set between 1 and 1000),
  add column rate_set              boolean     not null default false,
  add column rate_set_max          integer     check (rate_set_max between 1 and 1000000),
  add column rate_set_per_seconds  float8      check (rate_set_per_seconds between 0.1 and 86400),
  add column next_call_at          timestamptz,
  add column paused_at             timestamptz,
  add column paused_until          timestamptz,
  add column paused_by             text        check (length(paused_by) <= 200),
  add column pause_reason          text        check (length(pause_reason) <= 2000),
  add column circuit               text        not null default 'closed'
                                               check (circuit in ('closed', 'open', 'probing', 'ramping')),
  add column circuit_since         timestamptz not null default now(),
  add column circuit_reason        text        check (length(circuit_reason) <= 2000),
  add column circuit_epoch         bigint      not null default 0,
  add column probe_at              timestamptz,
  add column failed_probes         integer     not null default 0 check (failed_probes >= 0),
  add column ramp_slots            integer     not null default 0 check (ramp_slots >= 0),
  add column ramp_calls            integer     not null default 0 check (ramp_calls >= 0),
  add column failed_in_a_row       integer     not null default 0 check (failed_in_a_row >= 0),
  add column window_since          timestamptz,
  add column window_calls          integer     not null default 0 check (window_calls >= 0),
  add column window_failed         integer     not null default 0 check (window_failed >= 0),
  add check ((rate_max is null) = (rate_per_seconds is null)),
  add check ((rate_set_max is null) = (rate_set_per_seconds is null)),
  add check (rate_set or rate_set_max is null),
  add check (paused_at is not null or (paused_until is null and paused_by is null and pause_reason is null)),
  set (fillfactor = 50);
comment on table  orderwheel.targets is 'The targets of the configuration file, as the last process that started declared them, and what all workers share about each: limits, pause, circuit.';
comment on column orderwheel.targets.concurrency is 'Calls at a time by all workers together, by the configuration.';
comment on column orderwheel.targets.priority is 'Who goes first where a worker cannot serve all: high, normal, low.';
comment on column orderwheel.targets.rate_max is 'Calls that may begin in any rate_per_seconds, by the configuration; null: no limit.';
comment on column orderwheel.targets.rate_per_seconds is 'See rate_max.';
comment on column orderwheel.targets.concurrency_set is 'Concurrency that an operator set (orderwheel targets set); null: the configuration''s counts.';
comment on column orderwheel.targets.rate_set is 'Whether an operator set the rate: then rate_set_max counts, null meaning no limit.';
comment on column orderwheel.targets.rate_set_max is 'See rate_set.';
comment on column orderwheel.targets.rate_set_per_seconds is 'See rate_set.';
comment on column orderwheel.targets.next_call_at is 'When the next call that no worker has booked may begin, for targets with a rate.';
comment on column orderwheel.targets.paused_at is 'Since when an operator has paused it; null: not paused.';
comment on column orderwheel.targets.paused_until is 'When the pause ends by itself; null: when somebody resumes it.';
comment on column orderwheel.targets.paused_by is 'Who paused it.';
comment on column orderwheel.targets.pause_reason is 'Why it is paused.';
comment on column orderwheel.targets.circuit is 'closed: called as usual · open: not called, because it failed or asked for a pause · probing: one call at a time to see whether it is back · ramping: back, with more calls at a time step by step.';
comment on column orderwheel.targets.circuit_since is 'When the circuit got into this state.';
comment on column orderwheel.targets.circuit_reason is 'Why.';
comment on column orderwheel.targets.circuit_epoch is 'Counts changes of state: a call that began before one says nothing about the state after it.';
comment on column orderwheel.targets.probe_at is 'When an open circuit is probed.';
comment on column orderwheel.targets.failed_probes is 'Probes that failed one after the other: each makes the next one wait longer.';
comment on column orderwheel.targets.ramp_slots is 'Calls at a time while ramping.';
comment on column orderwheel.targets.ramp_calls is 'Calls that succeeded since the last step of ramping.';
comment on column orderwheel.targets.failed_in_a_row is 'Calls that failed since the last that did not.';
comment on column orderwheel.targets.window_since is 'Begin of the period in which window_calls and window_failed are counted; begins with a failure.';
comment on column orderwheel.targets.window_calls is 'Calls that ended in that period.';
comment on column orderwheel.targets.window_failed is 'Of those, the ones that failed.';

create table orderwheel.target_changes (
  id      bigint      generated always as identity primary key,
  target  text        not null check (length(target) between 1 and 40),
  at      timestamptz not null default clock_timestamp(),
  change  text        not null check (change in (
            'circuit-opened', 'circuit-probing', 'circuit-ramping', 'circuit-closed',
            'paused', 'resumed', 'limits-set')),
  reason  text        check (length(reason) <= 2000),
  who     text        not null check (length(who) <= 200)
);
create index target_changes_target on orderwheel.target_changes (target, at);
create index target_changes_at on orderwheel.target_changes (at); -- for forgetting
comment on table  orderwheel.target_changes is 'Every change of a target''s circuit, pause and limits. The last 90 days; what operators did is in audit_log for good.';
comment on column orderwheel.target_changes.id is 'In the order they happened.';
comment on column orderwheel.target_changes.target is 'The target.';
comment on column orderwheel.target_changes.at is 'When.';
comment on column orderwheel.target_changes.change is 'What: the circuit''s new state, paused, resumed, limits-set.';
comment on column orderwheel.target_changes.reason is 'Why, in words.';
comment on column orderwheel.target_changes.who is 'The worker process or the operator.';

create table orderwheel.slot_leases (
  target      text        not null references orderwheel.targets on delete cascade,
  worker      text        not null check (length(worker) between 1 and 200),
  slots       integer     not null check (slots >= 0),
  wanted      integer     not null check (wanted >= 0),
  renewed_at  timestamptz not null default now(),
  primary key (target, worker)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
comment on table  orderwheel.slot_leases is 'How many calls at a time each worker process may make to a target. The sum never exceeds the target''s concurrency.';
comment on column orderwheel.slot_leases.target is 'The target.';
comment on column orderwheel.slot_leases.worker is 'The worker process: host, pid and a random part.';
comment on column orderwheel.slot_leases.slots is 'Calls it may have in flight.';
comment on column orderwheel.slot_leases.wanted is 'Calls it could make at once if it were allowed to.';
comment on column orderwheel.slot_leases.renewed_at is 'When the worker last said that it is alive. After 10 s of silence its slots go to others.';

create table orderwheel.target_counts (
  target      text        not null references orderwheel.targets on delete cascade,
  period      timestamptz not null,
  worker      text        not null check (length(worker) between 1 and 200),
  delivered   integer     not null default 0 check (delivered >= 0),
  failed      integer     not null default 0 check (failed >= 0),
  primary key (target, period, worker)
) with (fillfactor = 70);
comment on table  orderwheel.target_counts is 'Attempts that ended, counted by the workers, so that nobody has to count deliveries. The last hour.';
comment on column orderwheel.target_counts.target is 'The target.';
comment on column orderwheel.target_counts.period is 'Begin of the ten seconds in which they were written down.';
comment on column orderwheel.target_counts.worker is 'The worker process.';
comment on column orderwheel.target_counts.delivered is 'Attempts that delivered.';
comment on column orderwheel.target_counts.failed is 'Attempts that did not.';

alter table orderwheel.deliveries
  add column last_fetch integer not null default -1,
  add column awaited    boolean not null default false,
  add column ask_first  boolean not null default false;
comment on column orderwheel.deliveries.state is 'waiting: for another delivery · queued: has a job · active: has been being called for a second or more (before that, its job in pgboss is active) · retrying: has a job with a later start · delivered · dead: given up, see dead_letters · uncertain: may have been told, a person decides · shed · skipped · cancelled.';
comment on column orderwheel.deliveries.attempts is 'How often it was tried, not counting the attempt under way.';
comment on column orderwheel.deliveries.uncharged is 'How many of those attempts do not count against the limit: handed back at a worker''s stop, or made while the target''s circuit was not closed.';
comment on column orderwheel.deliveries.started_at is 'When the last attempt began.';
comment on column orderwheel.deliveries.last_fetch is 'The job''s retry_count at the last attempt. When the job is fetched again and has skipped one, an attempt was lost with its worker.';
comment on column orderwheel.deliveries.awaited is 'Whether another delivery of the order waits, or has waited, for this one.';
comment on column orderwheel.deliveries.ask_first is 'Whether the last attempt may have reached the target, so that its lookup is asked before it is called again.';
-- Only what is open: the history may have millions of rows, and every order waits behind this lock. A settled
-- delivery that is tried again has its job's count of fetches looked up.
update orderwheel.deliveries
   set attempts = attempts - case when state = 'active' then 1 else 0 end,
       last_fetch = attempts - case when state = 'active' then 2 else 1 end
 where attempts > 0 and settled_at is null;
-- Dead ones as well: what waits for them is released when they are tried again.
update orderwheel.deliveries d set awaited = true
  from (select distinct order_id from orderwheel.deliveries where settled_at is null and state = 'waiting') w
 where d.order_id = w.order_id and d.state <> 'delivered';

-- A foreign key asks for its row once for every attempt written; a trigger does the one thing that it was for,
-- and only when somebody deletes.
alter table orderwheel.delivery_attempts drop constraint delivery_attempts_message_id_target_fkey;
alter table orderwheel.deliveries drop constraint deliveries_message_id_fkey;
create function orderwheel.delete_deliveries_of_messages() returns trigger language plpgsql as $$
begin
  delete from orderwheel.deliveries d using gone where d.message_id = gone.id;
  return null;
end
$$;
create function orderwheel.delete_attempts_of_deliveries() returns trigger language plpgsql as $$
begin
  delete from orderwheel.delivery_attempts a using gone
   where a.message_id = gone.message_id and a.target = gone.target;
  return null;
end
$$;
comment on function orderwheel.delete_deliveries_of_messages() is 'What deleting a message (or its order) deletes: its deliveries.';
comment on function orderwheel.delete_attempts_of_deliveries() is 'What deleting a delivery deletes: its attempts.';
create trigger delete_deliveries after delete on orderwheel.messages
  referencing old table as gone for each statement execute function orderwheel.delete_deliveries_of_messages();
create trigger delete_attempts after delete on orderwheel.deliveries
  referencing old table as gone for each statement execute function orderwheel.delete_attempts_of_deliveries();

alter table orderwheel.delivery_attempts
  add column charged boolean not null default true;
comment on column orderwheel.delivery_attempts.charged is 'Whether it counts against the limit of attempts.';
comment on column orderwheel.delivery_attempts.outcome is 'delivered · try-again · give-up · uncertain · handed-back: the worker stopped · abandoned: the worker died or lost the job.';

create or replace view orderwheel.order_timeline as
select o.id as order_id, o.external_id, o.received_at as at, 1 as step, 'order received' as event,
       null::text as target, null::integer as attempt, null::text as detail
  from orderwheel.orders o
union all
select m.order_id, o.external_id, m.created_at, 2, m.kind, null, null, null
  from orderwheel.messages m join orderwheel.orders o on o.id = m.order_id
union all
select b.order_id, o.external_id, b.created_at, 2, b.kind, null, null,
       coalesce('not relayed: ' || b.refusal, 'not relayed yet')
  from orderwheel.outbox b join orderwheel.orders o on o.id = b.order_id
union all
select d.order_id, o.external_id, a.started_at, 3, a.outcome, a.target, a.number, a.reason
  from orderwheel.delivery_attempts a
  join orderwheel.deliveries d using (message_id, target)
  join orderwheel.orders o on o.id = d.order_id
union all
select d.order_id, o.external_id, d.started_at, 3, 'attempt under way', d.target, d.attempts + 1, null
  from orderwheel.deliveries d join orderwheel.orders o on o.id = d.order_id
 where d.state = 'active'
union all
select l.order_id, o.external_id, l.died_at, 4, 'dead letter', l.target, null, l.reason
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
union all
select l.order_id, o.external_id, l.resolved_at, 5, 'dead letter ' || l.resolution, l.target, null, l.comment
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
 where l.resolved_at is not null
union all
select o.id, o.external_id, a.at, 6, replace(split_part(a.action, '.', 2), '-', ' ') || ' by ' || a.who,
       a.details->>'target', null, a.reason
  from orderwheel.audit_log a join orderwheel.orders o on a.subject = o.id::text
 where a.action like 'delivery.%';
comment on column orderwheel.order_timeline.event is 'What happened: order received, a message''s kind, an attempt''s outcome, dead letter, what somebody decided and who.';
create index audit_log_subject on orderwheel.audit_log (subject, at);

drop view orderwheel.target_health;
create view orderwheel.target_health as
select t.name as target,
       count(d.target) filter (where d.state = 'waiting')  as waiting,
       count(d.target) filter (where d.state = 'queued')   as queued,
       count(d.target) filter (where d.state = 'active')   as active,
       count(d.target) filter (where d.state = 'retrying') as retrying,
       min(d.created_at) as oldest_open,
       (select count(*) from orderwheel.dead_letters l
         where l.target = t.name and l.resolved_at is null) as dead_letters,
       t.circuit, t.circuit_since, t.circuit_reason, t.probe_at,
       t.paused_at is not null and coalesce(t.paused_until > now(), true) as paused,
       t.paused_by, t.pause_reason, t.paused_until,
       coalesce(t.concurrency_set, t.concurrency) as concurrency,
       case when t.rate_set then t.rate_set_max else t.rate_max end as rate_max,
       case when t.rate_set then t.rate_set_per_seconds else t.rate_per_seconds end as rate_per_seconds
  from orderwheel.targets t
  left join orderwheel.deliveries d on d.target = t.name and d.settled_at is null
 group by t.name;
comment on view orderwheel.target_health is 'Per target: what is open, how old, how many dead letters wait for a person, and whether it is being called. Reads only open rows.';
comment on column orderwheel.target_health.target is 'The target.';
comment on column orderwheel.target_health.waiting is 'Deliveries that wait for another delivery.';
comment on column orderwheel.target_health.queued is 'Deliveries with a job that was not tried yet.';
comment on column orderwheel.target_health.active is 'Deliveries that have been being called for a second or more.';
comment on column orderwheel.target_health.retrying is 'Deliveries that will be tried again.';
comment on column orderwheel.target_health.oldest_open is 'Since when the oldest open delivery is open.';
comment on column orderwheel.target_health.dead_letters is 'Dead letters nobody has decided on.';
comment on column orderwheel.target_health.circuit is 'closed, open, probing or ramping: see targets.circuit.';
comment on column orderwheel.target_health.circuit_since is 'When the circuit got into this state.';
comment on column orderwheel.target_health.circuit_reason is 'Why.';
comment on column orderwheel.target_health.probe_at is 'When an open circuit is probed.';
comment on column orderwheel.target_health.paused is 'Whether an operator has paused it.';
comment on column orderwheel.target_health.paused_by is 'Who paused it, last time.';
comment on column orderwheel.target_health.pause_reason is 'Why it was paused, last time.';
comment on column orderwheel.target_health.paused_until is 'When the pause ends by itself.';
comment on column orderwheel.target_health.concurrency is 'Calls at a time by all workers together.';
comment on column orderwheel.target_health.rate_max is 'Calls that may begin in any rate_per_seconds; null: no limit.';
comment on column orderwheel.target_health.rate_per_seconds is 'See rate_max.';
do $$
begin
  if exists (select from pg_roles where rolname = 'orderwheel_reader') then
    grant select on orderwheel.target_health to orderwheel_reader;
  end if;
end
$$;
