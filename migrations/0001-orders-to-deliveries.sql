-- The way of an order: orders → outbox → messages → deliveries → delivery_attempts → dead_letters.
-- Runs in one transaction. Needs PostgreSQL 18 (uuidv7, old.* in returning).

create table orderwheel.api_keys (
  id              uuid        primary key default uuidv7(),
  name            text        not null check (length(name) between 1 and 100),
  key_hash        bytea       not null unique check (octet_length(key_hash) = 32),
  key_start       text        not null check (length(key_start) between 4 and 20),
  scopes          text[]      not null check (
                    cardinality(scopes) > 0
                    and scopes <@ array['orders:write', 'orders:read', 'reports', 'ops:read', 'ops:write']),
  rate_per_second integer     not null default 2000 check (rate_per_second between 1 and 1000000),
  created_at      timestamptz not null default now(),
  revoked_at      timestamptz
);
-- A revoked key keeps its name; a new one may take it over.
create unique index api_keys_valid_name on orderwheel.api_keys (name) where revoked_at is null;
comment on table  orderwheel.api_keys is 'Who may call the HTTP API. Keys are never deleted, only revoked, so that every order can say who sent it.';
comment on column orderwheel.api_keys.id is 'Time-ordered id.';
comment on column orderwheel.api_keys.name is 'What a person calls this key, for example "web shop".';
comment on column orderwheel.api_keys.key_hash is 'SHA-256 of the key. The key itself (256 random bits) is shown once and stored nowhere.';
comment on column orderwheel.api_keys.key_start is 'The first characters of the key, to recognise it by.';
comment on column orderwheel.api_keys.scopes is 'What the key may do: orders:write, orders:read, reports, ops:read, ops:write.';
comment on column orderwheel.api_keys.rate_per_second is 'Requests a second that each api process admits for this key.';
comment on column orderwheel.api_keys.created_at is 'When the key was made.';
comment on column orderwheel.api_keys.revoked_at is 'When the key stopped being valid; null while it is.';

create table orderwheel.orders (
  id              uuid        primary key default uuidv7(),
  external_id     text        not null unique check (external_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
  -- No foreign key: every insert would share-lock the same api_keys row, and keys are never deleted.
  api_key_id      uuid        not null,
  idempotency_key text        not null check (length(idempotency_key) between 1 and 255),
  fingerprint     bytea       not null check (octet_length(fingerprint) = 32),
  document        jsonb       not null,
  received_at     timestamptz not null default now(),
  unique (api_key_id, idempotency_key)
);
comment on table  orderwheel.orders is 'What the storefront sent, validated, stored once, never rewritten. Kept until you delete it.';
comment on column orderwheel.orders.id is 'Time-ordered id, also the id in every URL.';
comment on column orderwheel.orders.external_id is 'The storefront''s own order number.';
comment on column orderwheel.orders.api_key_id is 'The api_keys row that sent it.';
comment on column orderwheel.orders.idempotency_key is 'The Idempotency-Key it was sent with, unique per API key: the order''s own row is the record of the request.';
comment on column orderwheel.orders.fingerprint is 'SHA-256 of the body (keys sorted), to tell a repeated request from a key used twice.';
comment on column orderwheel.orders.document is 'The order as sent. Holds personal data.';
comment on column orderwheel.orders.received_at is 'When the order was committed.';

create table orderwheel.outbox (
  position    bigint      generated always as identity primary key,
  id          uuid        not null default uuidv7(),
  order_id    uuid        not null references orderwheel.orders on delete cascade,
  kind        text        not null check (length(kind) between 1 and 100),
  payload     jsonb       not null default '{}',
  created_at  timestamptz not null default now(),
  refusals    integer     not null default 0 check (refusals >= 0),
  refusal     text        check (length(refusal) <= 2000),
  try_after   timestamptz,
  check ((refusals = 0) = (refusal is null) and (refusals = 0) = (try_after is null))
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
create index outbox_order on orderwheel.outbox (order_id, position);
create index outbox_refused on orderwheel.outbox (try_after) where try_after is not null;
comment on table  orderwheel.outbox is 'Messages not yet relayed. Any program may insert a row in the transaction that changes an order; the relay deletes it in the transaction that writes messages, deliveries and jobs.';
comment on column orderwheel.outbox.position is 'The order in which messages happened: a sequence, because the clock may step back after a failover.';
comment on column orderwheel.outbox.id is 'The message''s id, kept in messages, and the job''s id in every target''s queue.';
comment on column orderwheel.outbox.order_id is 'The order it happened to.';
comment on column orderwheel.outbox.kind is 'What happened, for example order.placed.';
comment on column orderwheel.outbox.payload is 'What happened, in detail, beyond the order itself.';
comment on column orderwheel.outbox.created_at is 'When it happened.';
comment on column orderwheel.outbox.refusals is 'How often the relay could not relay it. Above 0 a person should look.';
comment on column orderwheel.outbox.refusal is 'Why the relay could not relay it, last time.';
comment on column orderwheel.outbox.try_after is 'When the relay tries a refused message again; null: not refused. Later messages of the same order wait for it, other orders do not.';

create table orderwheel.messages (
  id          uuid        primary key,
  position    bigint      not null,
  order_id    uuid        not null references orderwheel.orders on delete cascade,
  kind        text        not null check (length(kind) between 1 and 100),
  payload     jsonb       not null,
  created_at  timestamptz not null,
  relayed_at  timestamptz not null default now()
);
create index messages_order on orderwheel.messages (order_id, position);
comment on table  orderwheel.messages is 'Everything that happened to an order and was told to its targets: the outbox''s history.';
comment on column orderwheel.messages.id is 'The outbox row''s id.';
comment on column orderwheel.messages.position is 'The outbox row''s position: of two messages of an order, the lower happened first.';
comment on column orderwheel.messages.order_id is 'The order it happened to.';
comment on column orderwheel.messages.kind is 'What happened, for example order.placed.';
comment on column orderwheel.messages.payload is 'What happened, in detail, beyond the order itself.';
comment on column orderwheel.messages.created_at is 'When it happened.';
comment on column orderwheel.messages.relayed_at is 'When its deliveries and jobs were written.';

create table orderwheel.targets (
  name        text        primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  kind        text        not null check (length(kind) between 1 and 40),
  concurrency integer     not null check (concurrency between 1 and 1000),
  declared_at timestamptz not null default now()
);
comment on table  orderwheel.targets is 'The targets of the configuration file, as the last process that started declared them.';
comment on column orderwheel.targets.name is 'The target''s name: also its queue''s name in pgboss, whose dead-letter queue is <name>.dead.';
comment on column orderwheel.targets.kind is 'How it is told: http, email, webhook or custom.';
comment on column orderwheel.targets.concurrency is 'Calls at a time in each worker process.';
comment on column orderwheel.targets.declared_at is 'When a process with this target in its configuration last started.';

create table orderwheel.deliveries (
  message_id  uuid        not null references orderwheel.messages on delete cascade,
  target      text        not null check (length(target) between 1 and 40),
  position    bigint      not null,
  order_id    uuid        not null, -- the message's; no foreign key of its own, deleting cascades through messages
  state       text        not null check (state in (
                'waiting', 'queued', 'active', 'retrying',
                'delivered', 'dead', 'uncertain', 'shed', 'skipped', 'cancelled')),
  after       text[]      not null default '{}',
  attempts    integer     not null default 0 check (attempts >= 0),
  uncharged   integer     not null default 0 check (uncharged between 0 and attempts),
  created_at  timestamptz not null default now(),
  started_at  timestamptz,
  worker      text        check (length(worker) <= 200),
  settled_at  timestamptz,
  primary key (message_id, target),
  check ((settled_at is null) = (state in ('waiting', 'queued', 'active', 'retrying')))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
-- Not on state: an index that names it would turn the claim's update into a new entry in every index.
create index deliveries_order on orderwheel.deliveries (order_id);
create index deliveries_open on orderwheel.deliveries (target, created_at, message_id) where settled_at is null;
comment on table  orderwheel.deliveries is 'One message for one target: state, attempts, result. A pg-boss job is how it is carried out.';
comment on column orderwheel.deliveries.message_id is 'The message. Also the job''s id in the target''s queue.';
comment on column orderwheel.deliveries.target is 'The target. Also the job''s queue.';
comment on column orderwheel.deliveries.position is 'The message''s position.';
comment on column orderwheel.deliveries.order_id is 'The message''s order.';
comment on column orderwheel.deliveries.state is 'waiting: for another delivery · queued: has a job · active: being called · retrying: has a job with a later start · delivered · dead: given up, see dead_letters · uncertain: sent, no answer, a person decides · shed · skipped · cancelled.';
comment on column orderwheel.deliveries.after is 'The targets that have to be told of the same message first.';
comment on column orderwheel.deliveries.attempts is 'How often it was tried. The number of the last attempt, which fences off a worker that lost the job.';
comment on column orderwheel.deliveries.uncharged is 'How many of those attempts do not count against the limit (handed back at a worker''s stop).';
comment on column orderwheel.deliveries.created_at is 'When the message was relayed.';
comment on column orderwheel.deliveries.started_at is 'When the last attempt began.';
comment on column orderwheel.deliveries.worker is 'The worker process that made the last attempt: host and pid.';
comment on column orderwheel.deliveries.settled_at is 'When it reached a final state; null while it is open.';

create table orderwheel.delivery_attempts (
  message_id  uuid        not null,
  target      text        not null,
  number      integer     not null check (number > 0),
  started_at  timestamptz not null,
  duration_ms integer     check (duration_ms >= 0),
  outcome     text        not null check (outcome in (
                'delivered', 'try-again', 'give-up', 'uncertain', 'handed-back', 'abandoned')),
  reason      text        check (length(reason) <= 2000),
  answer      jsonb,
  worker      text        not null check (length(worker) <= 200),
  primary key (message_id, target, number),
  foreign key (message_id, target) references orderwheel.deliveries on delete cascade
);
comment on table  orderwheel.delivery_attempts is 'One try at a delivery, written when it ended.';
comment on column orderwheel.delivery_attempts.message_id is 'The delivery''s message.';
comment on column orderwheel.delivery_attempts.target is 'The delivery''s target.';
comment on column orderwheel.delivery_attempts.number is '1 for the first try.';
comment on column orderwheel.delivery_attempts.started_at is 'When the job was claimed.';
comment on column orderwheel.delivery_attempts.duration_ms is 'How long the call took; null when its worker died.';
comment on column orderwheel.delivery_attempts.outcome is 'delivered · try-again · give-up · uncertain · handed-back: the worker stopped · abandoned: the worker died or lost the job.';
comment on column orderwheel.delivery_attempts.reason is 'Why it was not delivered.';
comment on column orderwheel.delivery_attempts.answer is 'What the target answered: {status, text}; text is cut at 2,000 characters.';
comment on column orderwheel.delivery_attempts.worker is 'The worker process: host and pid.';

create table orderwheel.dead_letters (
  id          uuid        primary key default uuidv7(),
  message_id  uuid        not null,
  target      text        not null,
  order_id    uuid        not null, -- the delivery's; no foreign key of its own, deleting cascades through deliveries
  reason      text        not null check (length(reason) <= 2000),
  attempts    jsonb       not null,
  died_at     timestamptz not null default now(),
  resolution  text        check (resolution in ('replayed', 'discarded')),
  resolved_at timestamptz,
  resolved_by text        check (length(resolved_by) <= 200),
  comment     text        check (length(comment) <= 2000),
  foreign key (message_id, target) references orderwheel.deliveries on delete cascade,
  check ((resolution is null) = (resolved_at is null))
);
create index dead_letters_delivery on orderwheel.dead_letters (message_id, target);
create index dead_letters_order on orderwheel.dead_letters (order_id);
create index dead_letters_open on orderwheel.dead_letters (target, died_at) where resolved_at is null;
comment on table  orderwheel.dead_letters is 'Deliveries that were given up on, with every attempt, kept for a person to decide: replay or discard.';
comment on column orderwheel.dead_letters.id is 'Time-ordered id.';
comment on column orderwheel.dead_letters.message_id is 'The delivery''s message.';
comment on column orderwheel.dead_letters.target is 'The delivery''s target.';
comment on column orderwheel.dead_letters.order_id is 'The delivery''s order.';
comment on column orderwheel.dead_letters.reason is 'Why it was given up.';
comment on column orderwheel.dead_letters.attempts is 'Every attempt, as it stood in delivery_attempts.';
comment on column orderwheel.dead_letters.died_at is 'When it was given up.';
comment on column orderwheel.dead_letters.resolution is 'replayed or discarded; null while a person has to decide.';
comment on column orderwheel.dead_letters.resolved_at is 'When that was decided.';
comment on column orderwheel.dead_letters.resolved_by is 'Who decided.';
comment on column orderwheel.dead_letters.comment is 'The reason that person gave.';

create table orderwheel.replays (
  id           uuid        primary key default uuidv7(),
  filter       jsonb       not null,
  requested_by text        not null check (length(requested_by) <= 200),
  created_at   timestamptz not null default now(),
  total        integer     not null default 0 check (total >= 0),
  replayed     integer     not null default 0 check (replayed >= 0),
  finished_at  timestamptz
);
comment on table  orderwheel.replays is 'Requests to replay dead letters, one row each, with their progress.';
comment on column orderwheel.replays.id is 'Time-ordered id.';
comment on column orderwheel.replays.filter is 'Which dead letters: target, error, since, until, order.';
comment on column orderwheel.replays.requested_by is 'Who asked.';
comment on column orderwheel.replays.created_at is 'When.';
comment on column orderwheel.replays.total is 'How many dead letters matched.';
comment on column orderwheel.replays.replayed is 'How many have been given a job again.';
comment on column orderwheel.replays.finished_at is 'When the last one was; null while it runs.';

create table orderwheel.idempotency_keys (
  api_key_id      uuid        not null,
  idempotency_key text        not null check (length(idempotency_key) between 1 and 255),
  route           text        not null check (length(route) <= 200),
  fingerprint     bytea       not null check (octet_length(fingerprint) = 32),
  status          integer     check (status between 200 and 499),
  answer          jsonb,
  created_at      timestamptz not null default now(),
  primary key (api_key_id, idempotency_key)
);
create index idempotency_keys_age on orderwheel.idempotency_keys (created_at);
comment on table  orderwheel.idempotency_keys is 'Idempotency-Keys of requests that do not create an order (an order''s own row is its record). Kept 7 days.';
comment on column orderwheel.idempotency_keys.api_key_id is 'The key that sent the request.';
comment on column orderwheel.idempotency_keys.idempotency_key is 'The Idempotency-Key header.';
comment on column orderwheel.idempotency_keys.route is 'Method and path of the request.';
comment on column orderwheel.idempotency_keys.fingerprint is 'SHA-256 of the body.';
comment on column orderwheel.idempotency_keys.status is 'The status answered; null while the request runs.';
comment on column orderwheel.idempotency_keys.answer is 'The body answered.';
comment on column orderwheel.idempotency_keys.created_at is 'When the request came.';

create table orderwheel.audit_log (
  id      uuid        primary key default uuidv7(),
  at      timestamptz not null default now(),
  who     text        not null check (length(who) <= 200),
  action  text        not null check (length(action) <= 100),
  subject text        not null check (length(subject) <= 200),
  reason  text        check (length(reason) <= 2000),
  details jsonb       not null default '{}'
);
create index audit_log_at on orderwheel.audit_log (at);
comment on table  orderwheel.audit_log is 'What people did: keys made and revoked, targets paused, dead letters replayed or discarded.';
comment on column orderwheel.audit_log.id is 'Time-ordered id.';
comment on column orderwheel.audit_log.at is 'When.';
comment on column orderwheel.audit_log.who is 'The operator, the API key or the operating-system user.';
comment on column orderwheel.audit_log.action is 'What was done, for example key.created.';
comment on column orderwheel.audit_log.subject is 'To what: a key, a target, an order, a dead letter.';
comment on column orderwheel.audit_log.reason is 'The reason given.';
comment on column orderwheel.audit_log.details is 'Anything else worth keeping.';

create view orderwheel.order_timeline as
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
select d.order_id, o.external_id, d.started_at, 3, 'attempt under way', d.target, d.attempts, null
  from orderwheel.deliveries d join orderwheel.orders o on o.id = d.order_id
 where d.state = 'active'
union all
select l.order_id, o.external_id, l.died_at, 4, 'dead letter', l.target, null, l.reason
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
union all
select l.order_id, o.external_id, l.resolved_at, 5, 'dead letter ' || l.resolution, l.target, null, l.comment
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
 where l.resolved_at is not null;
comment on view orderwheel.order_timeline is 'One order''s whole story. Ask for one order_id or external_id, order by at, step.';
comment on column orderwheel.order_timeline.order_id is 'The order.';
comment on column orderwheel.order_timeline.external_id is 'The storefront''s order number.';
comment on column orderwheel.order_timeline.at is 'When it happened.';
comment on column orderwheel.order_timeline.step is 'What comes first of two things with the same time.';
comment on column orderwheel.order_timeline.event is 'What happened: order received, a message''s kind, an attempt''s outcome, dead letter.';
comment on column orderwheel.order_timeline.target is 'The target concerned.';
comment on column orderwheel.order_timeline.attempt is 'The attempt''s number.';
comment on column orderwheel.order_timeline.detail is 'The reason, when there is one.';

create view orderwheel.target_health as
select t.name as target,
       count(d.target) filter (where d.state = 'waiting')  as waiting,
       count(d.target) filter (where d.state = 'queued')   as queued,
       count(d.target) filter (where d.state = 'active')   as active,
       count(d.target) filter (where d.state = 'retrying') as retrying,
       min(d.created_at) as oldest_open,
       (select count(*) from orderwheel.dead_letters l
         where l.target = t.name and l.resolved_at is null) as dead_letters
  from orderwheel.targets t
  left join orderwheel.deliveries d on d.target = t.name and d.settled_at is null
 group by t.name;
comment on view orderwheel.target_health is 'Per target: what is open, how old, and how many dead letters wait for a person. Reads only open rows.';
comment on column orderwheel.target_health.target is 'The target.';
comment on column orderwheel.target_health.waiting is 'Deliveries that wait for another delivery.';
comment on column orderwheel.target_health.queued is 'Deliveries with a job that was not tried yet.';
comment on column orderwheel.target_health.active is 'Deliveries being called.';
comment on column orderwheel.target_health.retrying is 'Deliveries that will be tried again.';
comment on column orderwheel.target_health.oldest_open is 'Since when the oldest open delivery is open.';
comment on column orderwheel.target_health.dead_letters is 'Dead letters nobody has decided on.';

create view orderwheel.dead_letter_groups as
select l.target, left(regexp_replace(l.reason, '(?<![0-9])(?![0-9]{3}(?![0-9]))[0-9]+', 'N', 'g'), 200) as error,
       count(*) as dead_letters, min(l.died_at) as first_at, max(l.died_at) as last_at
  from orderwheel.dead_letters l
 where l.resolved_at is null
 group by 1, 2;
comment on view orderwheel.dead_letter_groups is 'Dead letters nobody has decided on, by target and error.';
comment on column orderwheel.dead_letter_groups.target is 'The target.';
comment on column orderwheel.dead_letter_groups.error is 'The reason, cut at 200 characters; its numbers are N, but those of three digits, which are mostly statuses.';
comment on column orderwheel.dead_letter_groups.dead_letters is 'How many.';
comment on column orderwheel.dead_letter_groups.first_at is 'When the first died.';
comment on column orderwheel.dead_letter_groups.last_at is 'When the last died.';

create view orderwheel.stuck_deliveries as
select d.order_id, d.message_id, d.target, d.state, d.attempts, d.created_at, d.started_at,
       now() - d.created_at as open_for
  from orderwheel.deliveries d
 where d.settled_at is null and d.created_at < now() - interval '15 minutes';
comment on view orderwheel.stuck_deliveries is 'Deliveries open for more than 15 minutes.';
comment on column orderwheel.stuck_deliveries.order_id is 'The order.';
comment on column orderwheel.stuck_deliveries.message_id is 'The message.';
comment on column orderwheel.stuck_deliveries.target is 'The target.';
comment on column orderwheel.stuck_deliveries.state is 'waiting, queued, active or retrying.';
comment on column orderwheel.stuck_deliveries.attempts is 'How often it was tried.';
comment on column orderwheel.stuck_deliveries.created_at is 'When the message was relayed.';
comment on column orderwheel.stuck_deliveries.started_at is 'When the last attempt began.';
comment on column orderwheel.stuck_deliveries.open_for is 'How long it has been open.';

-- A hosted database may not let its owner create roles: then the views are there and a DBA grants them.
do $$
begin
  if not exists (select from pg_roles where rolname = 'orderwheel_reader') then
    create role orderwheel_reader nologin;
  end if;
  grant usage on schema orderwheel to orderwheel_reader;
  grant select on orderwheel.order_timeline, orderwheel.target_health,
                  orderwheel.dead_letter_groups, orderwheel.stuck_deliveries to orderwheel_reader;
exception
  when insufficient_privilege then
    raise notice 'role orderwheel_reader was not created: % may not create roles', current_user;
  when duplicate_object or unique_violation then
    raise notice 'role orderwheel_reader was being created by another database of this server';
end
$$;
