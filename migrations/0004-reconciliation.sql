-- Reconciliation: proof that nothing is lost, and the alerts that say when something is. The previous version may go on
-- running: what it does not write is null.

alter table orderwheel.messages
  add column targets text[],
  add constraint messages_targets_check check (cardinality(targets) <= 1000) not valid; -- no scan: what is there is null
comment on column orderwheel.messages.targets is 'The targets it was routed to when it was relayed; null: relayed by a version that did not say.';

create function orderwheel.history_since() returns timestamptz language sql stable parallel safe
  return null::timestamptz;
comment on function orderwheel.history_since() is 'Since when no message, delivery or attempt has been dropped by retention: what is older may lack its history without being lost. Null: since ever.';

create table orderwheel.verifications (
  id           uuid        primary key default uuidv7(),
  is_full      boolean     not null,
  requested_by text        not null check (length(requested_by) <= 200),
  started_at   timestamptz not null,
  finished_at  timestamptz not null default now(),
  failure      text        check (length(failure) <= 2000),
  orders       bigint      not null default 0 check (orders >= 0),
  messages     bigint      not null default 0 check (messages >= 0),
  deliveries   bigint      not null default 0 check (deliveries >= 0),
  jobs         bigint      not null default 0 check (jobs >= 0),
  lost         integer     not null default 0 check (lost >= 0),
  stuck        integer     not null default 0 check (stuck >= 0),
  disorders    integer     not null default 0 check (disorders >= 0),
  counts       jsonb       not null default '{}',
  findings     jsonb       not null default '[]',
  watermark    uuid
);
create index verifications_finished on orderwheel.verifications (finished_at);
comment on table  orderwheel.verifications is 'What each verification (orderwheel verify, and every 5 minutes by itself) came to. Kept 90 days, the newest for ever.';
comment on column orderwheel.verifications.id is 'Time-ordered id.';
comment on column orderwheel.verifications.is_full is 'Whether it looked at everything, or at what is open or came since the last one.';
comment on column orderwheel.verifications.requested_by is 'Who asked for it: an operator, an API key, or the relay process that did it by itself.';
comment on column orderwheel.verifications.started_at is 'When it began.';
comment on column orderwheel.verifications.finished_at is 'When it ended.';
comment on column orderwheel.verifications.failure is 'Why it could not be finished; null: it was.';
comment on column orderwheel.verifications.orders is 'Orders it looked at.';
comment on column orderwheel.verifications.messages is 'Messages it looked at.';
comment on column orderwheel.verifications.deliveries is 'Deliveries it looked at.';
comment on column orderwheel.verifications.jobs is 'Live jobs it looked at.';
comment on column orderwheel.verifications.lost is 'Findings that nobody would ever be told of, or ever see, if nobody did anything.';
comment on column orderwheel.verifications.stuck is 'Findings that are past their time and need somebody to look.';
comment on column orderwheel.verifications.disorders is 'Other findings: nothing is lost by them.';
comment on column orderwheel.verifications.counts is 'Findings by kind.';
comment on column orderwheel.verifications.findings is 'The findings, up to 1 000: kind, order, message, target, since when.';
comment on column orderwheel.verifications.watermark is 'Orders and messages with an id up to this one need not be looked at again, unless they are in verify_pending.';

create table orderwheel.verify_pending (
  id        uuid        primary key,
  order_id  uuid        not null,
  was_new   boolean     not null default false,
  noted_at  timestamptz not null default now()
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index verify_pending_order on orderwheel.verify_pending (order_id);
comment on table  orderwheel.verify_pending is 'What the next verification looks at again although it lies before the watermark: messages that were open, dead, uncertain or not in order, and orders without a message.';
comment on column orderwheel.verify_pending.id is 'A message''s id, or an order''s that has no message. No foreign key: that the message is gone is what is to be noticed.';
comment on column orderwheel.verify_pending.order_id is 'The message''s order, or the same id.';
comment on column orderwheel.verify_pending.was_new is 'Of an order without a message: whether it was found so when it was minutes old, so that it never had one.';
comment on column orderwheel.verify_pending.noted_at is 'Since when it is here.';

create table orderwheel.verify_state (
  id            smallint    primary key default 1 check (id = 1),
  watermark     uuid,
  claim         uuid,
  claimed_by    text        check (length(claimed_by) <= 200),
  claimed_until timestamptz not null default '-infinity',
  full_walk     jsonb,
  full_at       timestamptz,
  requested_at  timestamptz,
  requested_by  text        check (length(requested_by) <= 200),
  request_full  boolean     not null default false
) with (fillfactor = 50);
insert into orderwheel.verify_state default values;
comment on table  orderwheel.verify_state is 'One row: who verifies at the moment, and how far it has come.';
comment on column orderwheel.verify_state.id is 'There is one row.';
comment on column orderwheel.verify_state.watermark is 'See verifications.watermark; null: never verified as a whole.';
comment on column orderwheel.verify_state.claim is 'What the verification under way proves with that it is still the one.';
comment on column orderwheel.verify_state.claimed_by is 'Who verifies, or did last.';
comment on column orderwheel.verify_state.claimed_until is 'Until when nobody else may; put off while it goes on.';
comment on column orderwheel.verify_state.full_walk is 'How far a full verification has come that is done bit by bit; null: none is under way.';
comment on column orderwheel.verify_state.full_at is 'When the last full verification ended.';
comment on column orderwheel.verify_state.requested_at is 'When somebody asked for a verification that has not begun yet.';
comment on column orderwheel.verify_state.requested_by is 'Who asked.';
comment on column orderwheel.verify_state.request_full is 'Whether a full one was asked for.';

create table orderwheel.alerts (
  id           uuid        primary key default uuidv7(),
  kind         text        not null check (length(kind) between 1 and 40),
  subject      text        not null default '' check (length(subject) <= 200),
  text         text        not null check (length(text) between 1 and 2000),
  raised_at    timestamptz not null default now(),
  resolved_at  timestamptz,
  told_at      timestamptz,
  told_end_at  timestamptz,
  try_after    timestamptz not null default now(),
  tries        integer     not null default 0 check (tries >= 0),
  failure      text        check (length(failure) <= 2000)
) with (fillfactor = 80);
create unique index alerts_open on orderwheel.alerts (kind, subject) where resolved_at is null;
create index alerts_untold on orderwheel.alerts (try_after) where told_at is null or (resolved_at is not null and told_end_at is null);
create index alerts_raised on orderwheel.alerts (raised_at);
comment on table  orderwheel.alerts is 'What somebody had to be told of, once when it began and once when it was over. Closed ones are kept 90 days.';
comment on column orderwheel.alerts.id is 'Time-ordered id.';
comment on column orderwheel.alerts.kind is 'What about: see docs/alerts.md.';
comment on column orderwheel.alerts.subject is 'Of what, for example a target; empty when there is only one.';
comment on column orderwheel.alerts.text is 'In words; nothing secret, no personal data.';
comment on column orderwheel.alerts.raised_at is 'When it began.';
comment on column orderwheel.alerts.resolved_at is 'When it was over; null while it lasts.';
comment on column orderwheel.alerts.told_at is 'When the alert address took it.';
comment on column orderwheel.alerts.told_end_at is 'When the alert address took that it is over.';
comment on column orderwheel.alerts.try_after is 'When it is told, or told again.';
comment on column orderwheel.alerts.tries is 'How often telling it failed, since it was told last.';
comment on column orderwheel.alerts.failure is 'Why telling it failed, last time.';
