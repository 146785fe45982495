-- What a person needs to decide about dead letters: groups of the same failure, holds, corrections, and replays that
-- are worked off bit by bit. The previous version may go on running: what it does not write is computed or has a default.

create function orderwheel.failure_of(reason text) returns text language sql immutable strict parallel safe
  return left(regexp_replace(reason, '"[^"]*"|''[^'']*''|\S*[0-9@]\S*', '#', 'g'), 200);
comment on function orderwheel.failure_of(text) is 'A reason without what differs from order to order: words with a digit, addresses and what is quoted become #. At most 200 characters.';

-- The locks of the others first: the letters are written anew below, which should not be done in vain.
lock table orderwheel.deliveries in access exclusive mode;
lock table orderwheel.replays in access exclusive mode;
lock table orderwheel.dead_letters in access exclusive mode;

alter table orderwheel.targets
  add column address           text    check (length(address) <= 500),
  add column keep_letters_days integer check (keep_letters_days between 1 and 36500);
comment on column orderwheel.targets.address is 'Where it is told, without secrets, by the configuration; null: only its code knows.';
comment on column orderwheel.targets.keep_letters_days is 'Days that a closed dead letter is kept; null: for ever.';

alter table orderwheel.deliveries
  add column lost_in_a_row integer not null default 0 check (lost_in_a_row >= 0),
  add column edited        jsonb;
comment on column orderwheel.deliveries.lost_in_a_row is 'Workers that died or lost the job while they held it, since the last call that ended. With 2 it is called alone; 3: it is being called alone, or was when its worker died, and is given up.';
comment on column orderwheel.deliveries.edited is 'What an operator wrote instead of what the configuration makes of the order; null: nothing. May hold personal data.';

alter table orderwheel.dead_letters
  add column status integer generated always as (
    case when attempts -> -1 -> 'answer' ->> 'status' ~ '^[0-9]{1,6}$'
         then (attempts -> -1 -> 'answer' ->> 'status')::integer end) stored,
  add column code text generated always as (left(attempts -> -1 -> 'answer' ->> 'code', 64)) stored,
  add column failure text generated always as (
    case when attempts -> -1 -> 'answer' ->> 'code' is null then orderwheel.failure_of(reason) end) stored,
  add column group_id text not null generated always as (left(md5(
    target || '|' || coalesce(attempts -> -1 -> 'answer' ->> 'status', '') || '|' ||
    coalesce(left(attempts -> -1 -> 'answer' ->> 'code', 64), orderwheel.failure_of(reason))), 12)) stored,
  add column replay_id   uuid,
  add column held_at     timestamptz,
  add column held_by     text        check (length(held_by) <= 200),
  add column hold_reason text        check (length(hold_reason) <= 2000),
  add check ((held_at is null) = (held_by is null) and (held_at is null) = (hold_reason is null));
-- Each is an order in which somebody reads letters page by page: a person's next fifty among a million.
drop index orderwheel.dead_letters_open;
create index dead_letters_open on orderwheel.dead_letters (target, died_at, id) where resolved_at is null;
create index dead_letters_open_newest on orderwheel.dead_letters (died_at, id) where resolved_at is null;
create index dead_letters_groups on orderwheel.dead_letters (group_id, died_at, id) include (target) where resolved_at is null;
create index dead_letters_newest on orderwheel.dead_letters (died_at, id);
create index dead_letters_closed_newest on orderwheel.dead_letters (resolved_at, id) where resolved_at is not null;
create index dead_letters_closed_groups on orderwheel.dead_letters (group_id, resolved_at, id) where resolved_at is not null;
-- For the retention: what is held is not looked at each time.
create index dead_letters_closed on orderwheel.dead_letters (target, resolved_at) where resolved_at is not null and held_at is null;
comment on column orderwheel.dead_letters.status is 'What the target answered last: an HTTP status or SMTP reply code; null: no answer.';
comment on column orderwheel.dead_letters.code is 'The error''s code in that answer, for example UNKNOWN_SKU.';
comment on column orderwheel.dead_letters.failure is 'The reason without what differs from order to order (failure_of); null when there is a code, which says it better.';
comment on column orderwheel.dead_letters.group_id is 'Letters of the same target, status and code (or failure) have the same.';
comment on column orderwheel.dead_letters.replay_id is 'The replay that gave it a job again; null: not replayed, or by hand.';
comment on column orderwheel.dead_letters.held_at is 'Since when it is kept from any retention (a legal hold); null: it is not.';
comment on column orderwheel.dead_letters.held_by is 'Who ordered that.';
comment on column orderwheel.dead_letters.hold_reason is 'Why.';
comment on table  orderwheel.dead_letters is 'Deliveries that were given up on, with every attempt, kept until a person decides: replay or discard. Closed ones for as long as the target''s keepLettersDays says, default for ever.';

comment on column orderwheel.delivery_attempts.answer is 'What the target answered: {status, text, headers, code}: the first 4 KiB, the headers that matter, and the error''s code, or the system''s where nobody answered.';

drop view orderwheel.dead_letter_groups;
create view orderwheel.dead_letter_groups as
select g.target, g.group_id, l.status, l.code, coalesce(l.code, l.failure) as error,
       g.dead_letters, g.first_at, g.last_at
  from (select group_id, min(target) as target, count(*) as dead_letters, min(died_at) as first_at, max(died_at) as last_at
          from orderwheel.dead_letters
         where resolved_at is null
         group by group_id) g
 cross join lateral (select status, code, failure
                       from orderwheel.dead_letters l
                      where l.group_id = g.group_id and l.resolved_at is null
                      order by died_at desc, id desc
                      limit 1) l;
comment on view orderwheel.dead_letter_groups is 'Dead letters nobody has decided on, by target and kind of failure: orderwheel dead-letters groups. Counts in an index.';
comment on column orderwheel.dead_letter_groups.target is 'The target.';
comment on column orderwheel.dead_letter_groups.group_id is 'The group, for orderwheel dead-letters replay --group.';
comment on column orderwheel.dead_letter_groups.status is 'What the target answered: an HTTP status or SMTP reply code.';
comment on column orderwheel.dead_letter_groups.code is 'The error''s code in the answer.';
comment on column orderwheel.dead_letter_groups.error is 'The code, or the reason without what differs from order to order.';
comment on column orderwheel.dead_letter_groups.dead_letters is 'How many.';
comment on column orderwheel.dead_letter_groups.first_at is 'When the first died.';
comment on column orderwheel.dead_letter_groups.last_at is 'When the last died.';
do $$
begin
  if exists (select from pg_roles where rolname = 'orderwheel_reader') then
    grant select on orderwheel.dead_letter_groups to orderwheel_reader;
  end if;
end
$$;

alter table orderwheel.replays
  add column action          text        not null default 'replay' check (action in ('replay', 'discard')),
  add column state           text        not null default 'running'
                                         check (state in ('running', 'paused', 'cancelled', 'finished')),
  add column reason          text        check (length(reason) <= 2000),
  add column rate_per_second float8      not null default 20 check (rate_per_second between 0.01 and 10000),
  add column refused         integer     not null default 0 check (refused >= 0),
  add column next_at         timestamptz not null default now(),
  add column changed_at      timestamptz not null default now(),
  add column changed_by      text        check (length(changed_by) <= 200),
  add check ((finished_at is null) = (state in ('running', 'paused')));
create index replays_open on orderwheel.replays (next_at) where state = 'running';
comment on table  orderwheel.replays is 'What was asked to be done to many dead letters, with its progress: a list that was fixed when it was asked for, worked off at a rate by the workers.';
comment on column orderwheel.replays.action is 'replay: each delivery gets a job again · discard: each is given up for good, and what waited for it goes on.';
comment on column orderwheel.replays.replayed is 'How many were replayed, or discarded.';
comment on column orderwheel.replays.state is 'running · paused · cancelled: what was not replayed stays a dead letter · finished.';
comment on column orderwheel.replays.reason is 'Why it was asked for.';
comment on column orderwheel.replays.rate_per_second is 'Dead letters that are replayed or discarded each second, by all workers together.';
comment on column orderwheel.replays.refused is 'How many could not be: see replay_items.result.';
comment on column orderwheel.replays.next_at is 'When its next dead letters are due.';
comment on column orderwheel.replays.changed_at is 'When its state or rate was last changed.';
comment on column orderwheel.replays.changed_by is 'Who changed it.';
comment on column orderwheel.replays.finished_at is 'When the last dead letter was worked off, or somebody cancelled it; null while it is open.';

create table orderwheel.replay_items (
  replay_id   uuid        not null references orderwheel.replays on delete cascade,
  position    integer     not null check (position > 0),
  letter_id   uuid        not null,
  state       text        not null default 'waiting' check (state in ('waiting', 'done', 'refused', 'cancelled')),
  result      text        check (length(result) <= 2000),
  worked_off_at timestamptz,
  primary key (replay_id, position),
  check ((worked_off_at is null) = (state in ('waiting', 'cancelled')))
);
create index replay_items_waiting on orderwheel.replay_items (replay_id, position) where state = 'waiting';
create index replay_items_letter on orderwheel.replay_items (letter_id);
comment on table  orderwheel.replay_items is 'The dead letters of a replay, oldest first.';
comment on column orderwheel.replay_items.replay_id is 'The replay.';
comment on column orderwheel.replay_items.position is 'Its place in the list, 1 for the first.';
comment on column orderwheel.replay_items.letter_id is 'The dead letter. It may be deleted by its retention while this row stays.';
comment on column orderwheel.replay_items.state is 'waiting · done: replayed or discarded · refused: see result · cancelled.';
comment on column orderwheel.replay_items.result is 'Why it was refused.';
comment on column orderwheel.replay_items.worked_off_at is 'When it was done or refused.';
