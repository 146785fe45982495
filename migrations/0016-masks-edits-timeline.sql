-- What a fresh look at forgetting, edited requests and the order's story asked for. The previous version may go on
-- running: what it does not write is null, and the view keeps its columns.

create or replace function orderwheel.without_texts(words text, texts text[]) returns text
  language sql immutable parallel safe
begin atomic
  -- Whole words only, in any case; the longest first, or what is left of it would stay. An address ends where nothing
  -- could make it another's: b@example.com is no word of bob.b@example.com, nor of b@example.com.au.
  select case when cardinality(texts) = 0 then words
              else regexp_replace(words, string_agg(
                     case when t like '%@%' then '(?<![\w.+])' else '(?<!\w)' end
                     || regexp_replace(t, '([][\\^$.|?*+(){}/-])', '\\\1', 'g')
                     || case when t like '%@%' then '(?!\w|\.\w)' else '(?!\w)' end, '|' order by length(t) desc, t), '#', 'gi') end
    from unnest(texts) t;
end;

create or replace function orderwheel.json_without_texts(value jsonb, texts text[]) returns jsonb
  language sql immutable parallel safe as $$
  select case jsonb_typeof(value)
         when 'string' then to_jsonb(orderwheel.without_texts(value #>> '{}', texts))
         when 'array' then (select coalesce(jsonb_agg(orderwheel.json_without_texts(e, texts) order by n), '[]')
                              from jsonb_array_elements(value) with ordinality as a(e, n))
         when 'object' then (select coalesce(jsonb_object_agg(k,
                                      case when jsonb_typeof(v) = 'string'
                                            and k in ('id', 'orderId', 'externalId', 'messageId', 'letterId', 'replayId',
                                                      'target', 'kind', 'finding', 'state', 'before', 'after')
                                           then v else orderwheel.json_without_texts(v, texts) end), '{}')
                               from jsonb_each(value) as o(k, v))
         else value end
$$;
comment on function orderwheel.json_without_texts(jsonb, text[]) is 'The same with every text in a JSON value; keys stay, and so do ids, targets, kinds and states, whatever somebody is called.';

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
select o.id, o.external_id, a.at, 6, replace(split_part(a.action, '.', 2), '-', ' ') || ' by ' || a.who,
       a.details->>'target', null, orderwheel.without_person(a.reason, o.document), a.who, null
  from orderwheel.audit_log a join orderwheel.orders o on a.subject = o.id::text
 where a.action like 'delivery.%'
union all
select o.id, o.external_id, o.forgotten_at, 7, 'personal data forgotten', null, null, null, null, null
  from orderwheel.orders o
 where o.forgotten_at is not null;
comment on column orderwheel.order_timeline.who is 'The operator or API key that decided on it; null: nobody had to.';
comment on column orderwheel.order_timeline.replay_id is 'The list it was replayed or discarded with (replays); null: none.';

-- Last, as whoever reads the view locks it first.
alter table orderwheel.deliveries add column edited_for uuid;
comment on column orderwheel.deliveries.edited is 'What an operator wrote instead of what the configuration makes of the order; null: nothing. Kept after it was sent, to begin the next correction with, until the delivery ends. May hold personal data.';
comment on column orderwheel.deliveries.edited_for is 'The dead letter it was written for: whatever revives the delivery from that letter sends it, and what dies after that is another letter. Null: none, or written by a version that did not say.';

-- Partitions that are there already explain the new column, too.
do $$
declare
  months regclass;
begin
  for months in select inhrelid::regclass from pg_inherits where inhparent = 'orderwheel.deliveries'::regclass loop
    execute format('comment on column %s.edited_for is %L', months,
      (select col_description(attrelid, attnum) from pg_attribute
        where attrelid = 'orderwheel.deliveries'::regclass and attname = 'edited_for'));
  end loop;
end
$$;
