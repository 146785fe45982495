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

alter table orderwheel.deliveries add column edited_for uuid;
comment on column orderwheel.deliveries.edited is 'What an operator wrote instead of what the configuration makes of the order; null: nothing. Kept after it was sent, to begin the next correction with, until the delivery ends. May hold personal data.';
comment on column orderwheel.deliveries.edited_for is 'The dead letter it was written for: whatever revives the delivery from that letter sends it, and what dies after that is another letter. Null: none, or written by a version that did not say.';
