-- What a DBA looks at: views that stay fast with millions of rows, reasons without people in them, comments on
-- everything, autovacuum where the defaults are too late; and the record of who was forgotten. The previous version
-- may go on running: it writes none of this, and the views keep their columns.

create function orderwheel.personal_texts(document jsonb) returns setof text
  language sql immutable parallel safe
begin atomic
  select distinct btrim(value)
    from (values (document #>> '{customer,email}'), (document #>> '{customer,name}'), (document #>> '{customer,phone}'),
                 (document #>> '{billingAddress,name}'), (document #>> '{billingAddress,company}'),
                 (document #>> '{billingAddress,line1}'), (document #>> '{billingAddress,line2}'),
                 (document #>> '{shippingAddress,name}'), (document #>> '{shippingAddress,company}'),
                 (document #>> '{shippingAddress,line1}'), (document #>> '{shippingAddress,line2}')) v(value)
   where length(btrim(value)) >= 3;
end;
comment on function orderwheel.personal_texts(jsonb) is 'The names, addresses and numbers of an order''s document that say whose it is. Shorter ones than three characters are left out: they are in every second word.';

create function orderwheel.without_texts(words text, texts text[]) returns text
  language sql immutable parallel safe
begin atomic
  -- Whole words only, in any case; the longest first, or what is left of it would stay.
  select case when cardinality(texts) = 0 then words
              else regexp_replace(words, '(?<!\w)(?:' || string_agg(
                     regexp_replace(t, '([][\\^$.|?*+(){}/-])', '\\\1', 'g'), '|' order by length(t) desc, t) || ')(?!\w)', '#', 'gi') end
    from unnest(texts) t;
end;
comment on function orderwheel.without_texts(text, text[]) is 'These words without those texts: # stands where one was.';

-- A string body, because it calls itself.
create function orderwheel.json_without_texts(value jsonb, texts text[]) returns jsonb
  language sql immutable parallel safe as $$
  select case jsonb_typeof(value)
         when 'string' then to_jsonb(orderwheel.without_texts(value #>> '{}', texts))
         when 'array' then (select coalesce(jsonb_agg(orderwheel.json_without_texts(e, texts) order by n), '[]')
                              from jsonb_array_elements(value) with ordinality as a(e, n))
         when 'object' then (select coalesce(jsonb_object_agg(k, orderwheel.json_without_texts(v, texts)), '{}')
                               from jsonb_each(value) as o(k, v))
         else value end
$$;
comment on function orderwheel.json_without_texts(jsonb, text[]) is 'The same with every text in a JSON value; keys stay.';

create function orderwheel.without_person(words text, document jsonb) returns text
  language sql immutable parallel safe
begin atomic
  select case when words is not null then
    regexp_replace(orderwheel.without_texts(words, array(
      select t from orderwheel.personal_texts(document) t
      union
      select part from unnest(array[document #>> '{customer,name}', document #>> '{billingAddress,name}',
                                    document #>> '{shippingAddress,name}']) name,
                       regexp_split_to_table(name, '\s+') part
       where length(part) >= 3)), '\S*@\S*', '#', 'g') end;
end;
comment on function orderwheel.without_person(text, jsonb) is 'A reason without the person whose order it is about, as far as the order''s document names them, and without anything that looks like an e-mail address.';

-- Whom somebody asked to forget -------------------------------------------------------------------------------------

comment on column orderwheel.orders.document is 'The order as sent. Holds personal data, until it is forgotten.';
comment on column orderwheel.orders.fingerprint is 'SHA-256 of the body (keys sorted), to tell a repeated request from a key used twice. Stays when the order is forgotten.';
comment on table  orderwheel.orders is 'What the storefront sent, validated, stored once, never rewritten but by orderwheel forget. Kept until you delete it.';

create table orderwheel.forgettings (
  id           uuid        primary key default uuidv7(),
  requested_by text        not null check (length(requested_by) <= 200),
  reason       text        check (length(reason) <= 2000),
  even_open    boolean     not null,
  started_at   timestamptz not null default now(),
  salt         bytea       check (octet_length(salt) = 32),
  person       bytea       check (octet_length(person) = 32),
  orders       integer     not null default 0 check (orders >= 0),
  refused      integer     not null default 0 check (refused >= 0),
  masked       integer     not null default 0 check (masked >= 0),
  finished_at  timestamptz,
  check ((finished_at is null) = (person is not null) and (person is null) = (salt is null))
);
comment on table  orderwheel.forgettings is 'Whose personal data was removed on request, without saying whose: what was done, when and by whom.';
comment on column orderwheel.forgettings.id is 'Time-ordered id, also the subject in audit_log.';
comment on column orderwheel.forgettings.requested_by is 'Who ran it.';
comment on column orderwheel.forgettings.reason is 'The reason given.';
comment on column orderwheel.forgettings.even_open is 'Whether targets that were not told yet were given up, so that their orders could be forgotten.';
comment on column orderwheel.forgettings.started_at is 'When it began.';
comment on column orderwheel.forgettings.salt is 'Random; null once it is finished.';
comment on column orderwheel.forgettings.person is 'SHA-256 of salt and person, by which the same request goes on with this row; null once it is finished.';
comment on column orderwheel.forgettings.orders is 'Orders whose personal data was removed.';
comment on column orderwheel.forgettings.refused is 'Orders left alone, because a target has yet to be told or a hold keeps them.';
comment on column orderwheel.forgettings.masked is 'Rows of other tables (audit_log, target_changes …) in which the person was named, and is no more.';
comment on column orderwheel.forgettings.finished_at is 'When it was done; null while it runs, or was interrupted.';
comment on constraint forgettings_check on orderwheel.forgettings is 'What could tell who it was is kept no longer than it takes.';

-- Backlogs too large to be counted by everybody who asks ------------------------------------------------------------

create table orderwheel.backlogs (
  target       text        primary key references orderwheel.targets on delete cascade,
  counted_at   timestamptz not null default now(),
  waiting      bigint      check (waiting >= 0),
  queued       bigint      check (queued >= 0),
  active       bigint      check (active >= 0),
  retrying     bigint      check (retrying >= 0),
  dead_letters bigint      check (dead_letters >= 0),
  check ((waiting is null) = (queued is null) and (waiting is null) = (active is null) and (waiting is null) = (retrying is null))
);
comment on table  orderwheel.backlogs is 'Targets with more than 10 000 open deliveries or dead letters, counted once a minute by one worker, so that target_health need not.';
comment on column orderwheel.backlogs.target is 'The target.';
comment on column orderwheel.backlogs.counted_at is 'When they were counted.';
comment on column orderwheel.backlogs.waiting is 'Deliveries that waited for another delivery; null: 10 000 open ones at most, which are counted when somebody asks.';
comment on column orderwheel.backlogs.queued is 'Deliveries with a job that was not tried yet; null: see waiting.';
comment on column orderwheel.backlogs.active is 'Deliveries that had been being called for a second or more; null: see waiting.';
comment on column orderwheel.backlogs.retrying is 'Deliveries that were to be tried again; null: see waiting.';
comment on column orderwheel.backlogs.dead_letters is 'Dead letters nobody had decided on; null: 10 000 at most, which are counted when somebody asks.';
comment on constraint backlogs_check on orderwheel.backlogs is 'All open deliveries of a target are counted at once, or none.';

-- Views --------------------------------------------------------------------------------------------------------------

create or replace view orderwheel.order_timeline as
select o.id as order_id, o.external_id, o.received_at as at, 1 as step, 'order received' as event,
       null::text as target, null::integer as attempt, null::text as detail
  from orderwheel.orders o
union all
select m.order_id, o.external_id, m.created_at, 2, m.kind, null, null, null
  from orderwheel.messages m join orderwheel.orders o on o.id = m.order_id
union all
select b.order_id, o.external_id, b.created_at, 2, b.kind, null, null,
       coalesce('not relayed: ' || orderwheel.without_person(b.refusal, o.document), 'not relayed yet')
  from orderwheel.outbox b join orderwheel.orders o on o.id = b.order_id
union all
select d.order_id, o.external_id, a.started_at, 3, a.outcome, a.target, a.number,
       orderwheel.without_person(a.reason, o.document)
  from orderwheel.delivery_attempts a
  join orderwheel.deliveries d using (message_id, target)
  join orderwheel.orders o on o.id = d.order_id
union all
select d.order_id, o.external_id, d.started_at, 3, 'attempt under way', d.target, d.attempts + 1, null
  from orderwheel.deliveries d join orderwheel.orders o on o.id = d.order_id
 where d.state = 'active'
union all
select l.order_id, o.external_id, l.died_at, 4, 'dead letter', l.target, null,
       orderwheel.without_person(l.reason, o.document)
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
union all
select l.order_id, o.external_id, l.resolved_at, 5, 'dead letter ' || l.resolution, l.target, null,
       orderwheel.without_person(l.comment, o.document)
  from orderwheel.dead_letters l join orderwheel.orders o on o.id = l.order_id
 where l.resolved_at is not null
union all
select o.id, o.external_id, a.at, 6, replace(split_part(a.action, '.', 2), '-', ' ') || ' by ' || a.who,
       a.details->>'target', null, orderwheel.without_person(a.reason, o.document)
  from orderwheel.audit_log a join orderwheel.orders o on a.subject = o.id::text
 where a.action like 'delivery.%'
union all
select o.id, o.external_id, o.forgotten_at, 7, 'personal data forgotten', null, null, null
  from orderwheel.orders o
 where o.forgotten_at is not null;
comment on column orderwheel.order_timeline.detail is 'The reason, when there is one, without the customer''s name, address, e-mail and phone as the order has them (#).';

-- Reads at most 10 001 open deliveries of a target, the oldest, and as many dead letters in an index.
create or replace view orderwheel.target_health as
select t.name as target,
       case when o.more then greatest(o.waiting,  b.waiting)  else o.waiting  end as waiting,
       case when o.more then greatest(o.queued,   b.queued)   else o.queued   end as queued,
       case when o.more then greatest(o.active,   b.active)   else o.active   end as active,
       case when o.more then greatest(o.retrying, b.retrying) else o.retrying end as retrying,
       o.oldest_open,
       case when l.more then greatest(l.dead_letters, b.dead_letters) else l.dead_letters end as dead_letters,
       t.circuit, t.circuit_since, orderwheel.without_person(t.circuit_reason, '{}') as circuit_reason, t.probe_at,
       t.paused_at is not null and coalesce(t.paused_until > now(), true) as paused,
       t.paused_by, t.pause_reason, t.paused_until,
       coalesce(t.concurrency_set, t.concurrency) as concurrency,
       case when t.rate_set then t.rate_set_max else t.rate_max end as rate_max,
       case when t.rate_set then t.rate_set_per_seconds else t.rate_per_seconds end as rate_per_seconds,
       o.more as open_estimated,
       l.more as dead_letters_estimated,
       case when o.more and b.waiting is not null or l.more and b.dead_letters is not null then b.counted_at end as counted_at
  from orderwheel.targets t
 cross join lateral (
   select count(*) filter (where state = 'waiting')  as waiting,
          count(*) filter (where state = 'queued')   as queued,
          count(*) filter (where state = 'active')   as active,
          count(*) filter (where state = 'retrying') as retrying,
          min(created_at) as oldest_open, count(*) > 10000 as more
     from (select state, created_at from orderwheel.deliveries d
            where d.target = t.name and d.settled_at is null
            order by created_at, message_id
            limit 10001) oldest) o
 cross join lateral (
   select count(*) as dead_letters, count(*) > 10000 as more
     from (select from orderwheel.dead_letters l
            where l.target = t.name and l.resolved_at is null
            limit 10001) first) l
  left join orderwheel.backlogs b on b.target = t.name and b.counted_at > now() - interval '10 minutes';
comment on view orderwheel.target_health is 'Per target: what is open, how old, how many dead letters wait for a person, and whether it is being called. Exact up to 10 000 of a target, then as last counted by a worker.';
comment on column orderwheel.target_health.open_estimated is 'Whether there are more than 10 000 open deliveries: then their counts are those of counted_at, or, if that is null, of the oldest 10 000.';
comment on column orderwheel.target_health.dead_letters_estimated is 'Whether there are more than 10 000 dead letters: likewise.';
comment on column orderwheel.target_health.counted_at is 'When a worker counted what is too much to be counted now; null: nothing is, or no worker has for 10 minutes.';

create or replace view orderwheel.dead_letter_groups as
select g.target, g.group_id, l.status, l.code, coalesce(l.code, l.failure) as error,
       g.dead_letters, g.first_at, g.last_at
  from (select target, group_id, count(*) as dead_letters, min(died_at) as first_at, max(died_at) as last_at
          from orderwheel.dead_letters
         where resolved_at is null
         group by target, group_id) g
 cross join lateral (select l.status, l.code, orderwheel.failure_of(orderwheel.without_person(l.reason, o.document)) as failure
                       from orderwheel.dead_letters l left join orderwheel.orders o on o.id = l.order_id
                      where l.target = g.target and l.group_id = g.group_id and l.resolved_at is null
                      order by l.died_at, l.id
                      limit 1) l;
comment on column orderwheel.dead_letter_groups.error is 'The code, or the reason without what differs from order to order and without the customer.';

-- A delivery is stuck when something holds it up that will not pass by itself or that somebody should know of; one that
-- waits for its turn in a backlog is only old, and one that waits for a delivery that is under way is, too.
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
              from orderwheel.delivery_attempts a join orderwheel.orders o on o.id = d.order_id
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
   offset 0) w; -- looked up letter by letter
comment on view orderwheel.stuck_deliveries is 'Deliveries open for more than 15 minutes that something holds up, and what: of each target the oldest 1000 that are open, and what waits for its oldest 1000 dead letters. Jobs that are missing are found by orderwheel verify.';
comment on column orderwheel.stuck_deliveries.because is 'What holds it up: its target is paused, its circuit is open, no worker calls it; it fails; it waits for what a person has to decide on.';

-- Comments on the rest ----------------------------------------------------------------------------------------------

comment on index orderwheel.api_keys_pkey is 'Which key an order came with: joins from orders.api_key_id.';
comment on index orderwheel.api_keys_key_hash_key is 'Looks a presented key up, by each api process about twice a minute per key; no key twice.';
comment on index orderwheel.api_keys_valid_name is 'One valid key of a name.';
comment on index orderwheel.orders_pkey is 'GET /orders/{id}, and every claim, which reads the order that is to be told. Time-ordered, so new rows share its last pages; orderwheel forget walks it.';
comment on index orderwheel.orders_external_id_key is 'One order of a storefront''s number, and GET /orders?externalId= and orderwheel order, which look it up.';
comment on index orderwheel.orders_api_key_id_idempotency_key_key is 'One order of an Idempotency-Key: what makes repeating POST /orders safe.';
comment on index orderwheel.outbox_pkey is 'The relay takes the oldest messages along it. Its front holds dead entries after a burst, until vacuum.';
comment on index orderwheel.outbox_order is 'Whether an earlier message of the same order is still here: the relay asks for each message. Also deleting an order.';
comment on index orderwheel.outbox_refused is 'Refused messages by when they are tried again. Empty while all is well.';
comment on index orderwheel.messages_pkey is 'The message of a delivery: claims and the order''s page.';
comment on index orderwheel.messages_order is 'An order''s messages: its page, order_timeline, deleting it.';
comment on index orderwheel.targets_pkey is 'A target by name.';
comment on index orderwheel.deliveries_pkey is 'One delivery of a message for a target; claims and settlements look it up.';
comment on index orderwheel.deliveries_order is 'An order''s deliveries: its page, what waits in it and for it (relay, settling), deleting it.';
comment on index orderwheel.deliveries_open is 'Open deliveries of a target, the oldest first: target_health, stuck_deliveries, the sweep for what waits for nothing, verify. Small while backlogs are: settled ones leave it. Does not name state, so that an update of state alone stays in its page (HOT).';
comment on index orderwheel.delivery_attempts_pkey is 'A delivery''s attempts, in order.';
comment on index orderwheel.dead_letters_pkey is 'A dead letter by id; the ids are time-ordered.';
comment on index orderwheel.dead_letters_delivery is 'The letters of a delivery: settling a decision, deleting the delivery.';
comment on index orderwheel.dead_letters_order is 'The letters of an order: order_timeline.';
comment on index orderwheel.dead_letters_open is 'Letters nobody has decided on, the oldest first: lists, and stuck_deliveries.';
comment on index orderwheel.dead_letters_groups is 'dead_letter_groups and target_health count in it without reading the table; a group''s letters, the oldest first, for a replay.';
comment on index orderwheel.dead_letters_closed is 'Closed letters by age, for their retention; held ones are not in it.';
comment on index orderwheel.dead_letters_open_newest is 'Letters nobody has decided on, page by page, the newest first.';
comment on index orderwheel.dead_letters_newest is 'All letters, page by page, the newest first.';
comment on index orderwheel.dead_letters_closed_newest is 'Closed letters, page by page, the newest first.';
comment on index orderwheel.dead_letters_closed_groups is 'Closed letters of a group.';
comment on index orderwheel.replays_pkey is 'A replay by id.';
comment on index orderwheel.replays_open is 'Replays that a worker has to go on with.';
comment on index orderwheel.replay_items_pkey is 'A replay''s list in its order.';
comment on index orderwheel.replay_items_waiting is 'What of a list is still to be worked off.';
comment on index orderwheel.replay_items_letter is 'Whether a letter is in a list already.';
comment on index orderwheel.idempotency_keys_pkey is 'Looks a repeated request up.';
comment on index orderwheel.idempotency_keys_age is 'Keys older than 7 days, to delete them.';
comment on index orderwheel.audit_log_pkey is 'Time-ordered.';
comment on index orderwheel.audit_log_at is 'What was done lately.';
comment on index orderwheel.audit_log_subject is 'What was done to an order, a target, a letter: order_timeline.';
comment on index orderwheel.target_changes_pkey is 'In the order they happened.';
comment on index orderwheel.target_changes_target is 'A target''s history: orderwheel targets changes.';
comment on index orderwheel.target_changes_at is 'Changes older than 90 days, to delete them.';
comment on index orderwheel.slot_leases_pkey is 'A worker''s lease on a target.';
comment on index orderwheel.target_counts_pkey is 'A target''s counts by time: delivered per minute.';
comment on index orderwheel.schema_migrations_pkey is 'A file is applied once.';
comment on index orderwheel.alerts_open is 'One open alert of a kind and subject: raising it again changes that one.';
comment on index orderwheel.alerts_untold is 'Alerts that are still to be told to somebody.';
comment on index orderwheel.alerts_raised is 'Alerts by age, to list and to delete them.';
comment on index orderwheel.verifications_finished is 'The last verification, and old ones to delete.';
comment on index orderwheel.verify_pending_order is 'Whether an order is still to be looked at again.';
comment on index orderwheel.forgettings_pkey is 'Time-ordered.';
comment on index orderwheel.backlogs_pkey is 'One row for a target.';

comment on constraint api_keys_key_hash_key on orderwheel.api_keys is 'No key twice.';
comment on constraint orders_external_id_key on orderwheel.orders is 'One order of a storefront''s number.';
comment on constraint orders_api_key_id_idempotency_key_key on orderwheel.orders is 'One order of an Idempotency-Key: what makes repeating POST /orders safe.';
comment on constraint outbox_order_id_fkey on orderwheel.outbox is 'A message is about an order that is there: checked in the transaction that adds it. Deleting the order deletes it.';
comment on constraint outbox_check on orderwheel.outbox is 'A refused message says how often, why, and when it is tried again.';
comment on constraint messages_order_id_fkey on orderwheel.messages is 'Deleting an order deletes its messages.';
comment on constraint deliveries_check on orderwheel.deliveries is 'Attempts that are not charged are attempts.';
comment on constraint deliveries_check1 on orderwheel.deliveries is 'Exactly the final states have a time at which they were reached.';
comment on constraint dead_letters_message_id_target_fkey on orderwheel.dead_letters is 'Deleting a delivery deletes its letters.';
comment on constraint dead_letters_check on orderwheel.dead_letters is 'A decided letter says when.';
comment on constraint dead_letters_check1 on orderwheel.dead_letters is 'A held letter says since when, by whom and why.';
comment on constraint replays_check on orderwheel.replays is 'Exactly those that are over have an end.';
comment on constraint replay_items_replay_id_fkey on orderwheel.replay_items is 'A list goes with its replay.';
comment on constraint replay_items_check on orderwheel.replay_items is 'What was worked off says when.';
comment on constraint slot_leases_target_fkey on orderwheel.slot_leases is 'A lease is on a declared target.';
comment on constraint target_counts_target_fkey on orderwheel.target_counts is 'Counts are of a declared target.';
comment on constraint backlogs_target_fkey on orderwheel.backlogs is 'Counts are of a declared target.';
comment on constraint targets_check on orderwheel.targets is 'A rate has both numbers or none.';
comment on constraint targets_check1 on orderwheel.targets is 'A rate that an operator set has both numbers or none.';
comment on constraint targets_check2 on orderwheel.targets is 'Only an operator''s rate counts instead of the configuration''s.';
comment on constraint targets_check3 on orderwheel.targets is 'A pause says since when.';

-- Autovacuum, where the defaults wait for a fifth or a tenth of a table of millions. Taking effect needs no rewrite.
-- docs/for-dbas.md has the settings of every table, with what was measured.

-- Rows are only added: vacuum marks pages as everybody's, which makes index-only scans possible and spares the one
-- vacuum that would have to freeze them all at once.
alter table orderwheel.orders            set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table orderwheel.messages          set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table orderwheel.delivery_attempts set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- A backlog of a million changes what is best to do long before a tenth of the history has changed.
alter table orderwheel.deliveries        set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- Empty or full within minutes: statistics by number, not by share of what was there last time.
alter table orderwheel.outbox            set (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
-- A row per target, updated each minute: each page has room for the new version beside the old (HOT).
alter table orderwheel.backlogs          set (fillfactor = 50);

comment on trigger delete_deliveries on orderwheel.messages is 'Instead of a foreign key, which would look into messages for every delivery that is written.';
comment on trigger delete_attempts on orderwheel.deliveries is 'Instead of a foreign key, which would look into deliveries for every attempt that is written.';
comment on sequence orderwheel.outbox_position_seq is 'The order of messages. Gaps are ordinary: orders that were rolled back.';
comment on sequence orderwheel.target_changes_id_seq is 'The order of changes.';

-- A role belongs to the whole server: another database of it may have said so already, or be saying so at this moment.
do $$
begin
  if shobj_description((select oid from pg_roles where rolname = 'orderwheel_reader'), 'pg_authid') is null then
    comment on role orderwheel_reader is 'May read the views of schema orderwheel, and nothing else: for DBAs and dashboards. grant orderwheel_reader to <somebody>.';
  end if;
exception
  when insufficient_privilege or undefined_object or internal_error then
    raise notice 'role orderwheel_reader got no comment: it is not this role''s, or not there';
end
$$;
