-- The schema as all migrations leave it, for reading and for review: written by "npm run schema", never by hand.

create schema orderwheel;
comment on schema orderwheel is 'Orders, what happened to them, and who was told. See orderwheel.order_timeline for one order''s story.';

CREATE OR REPLACE FUNCTION orderwheel.delete_deliveries_of_messages()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from orderwheel.deliveries d using gone where d.message_id = gone.id;
  return null;
end
$function$;
comment on function orderwheel.delete_deliveries_of_messages() is 'What deleting a message (or its order) deletes: its deliveries.';

CREATE OR REPLACE FUNCTION orderwheel.delete_attempts_of_deliveries()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from orderwheel.delivery_attempts a using gone
   where a.message_id = gone.message_id and a.target = gone.target;
  return null;
end
$function$;
comment on function orderwheel.delete_attempts_of_deliveries() is 'What deleting a delivery deletes: its attempts.';

CREATE OR REPLACE FUNCTION orderwheel.failure_of(reason text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN "left"(regexp_replace(reason, '"[^"]*"|''[^'']*''|\S*[0-9@]\S*'::text, '#'::text, 'g'::text), 200);
comment on function orderwheel.failure_of(text) is 'A reason without what differs from order to order: words with a digit, addresses and what is quoted become #. At most 200 characters.';

CREATE OR REPLACE FUNCTION orderwheel.this_cluster()
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if not has_function_privilege('pg_catalog.pg_control_system()', 'execute') then
    return null;
  end if;
  return (select system_identifier from pg_catalog.pg_control_system());
end
$function$;
comment on function orderwheel.this_cluster() is 'The identifier of the cluster this is, shared with its standbys; null when this role may not know it.';

CREATE OR REPLACE FUNCTION orderwheel.personal_texts(document jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT DISTINCT btrim(v.value) AS btrim
    FROM ( VALUES ((personal_texts.document #>> '{customer,email}'::text[])), ((personal_texts.document #>> '{customer,name}'::text[])), ((personal_texts.document #>> '{customer,phone}'::text[])), ((personal_texts.document #>> '{billingAddress,name}'::text[])), ((personal_texts.document #>> '{billingAddress,company}'::text[])), ((personal_texts.document #>> '{billingAddress,line1}'::text[])), ((personal_texts.document #>> '{billingAddress,line2}'::text[])), ((personal_texts.document #>> '{shippingAddress,name}'::text[])), ((personal_texts.document #>> '{shippingAddress,company}'::text[])), ((personal_texts.document #>> '{shippingAddress,line1}'::text[])), ((personal_texts.document #>> '{shippingAddress,line2}'::text[]))) v(value)
   WHERE (length(btrim(v.value)) >= 3);
END;
comment on function orderwheel.personal_texts(jsonb) is 'The names, addresses and numbers of an order''s document that say whose it is. Shorter ones than three characters are left out: they are in every second word.';

CREATE OR REPLACE FUNCTION orderwheel.without_texts(words text, texts text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (cardinality(without_texts.texts) = 0) THEN without_texts.words
             ELSE regexp_replace(without_texts.words, string_agg(((
             CASE
                 WHEN (t.t ~~ '%@%'::text) THEN '(?<![\w.+])'::text
                 ELSE '(?<!\w)'::text
             END || regexp_replace(t.t, '([][\\^$.|?*+(){}/-])'::text, '\\\1'::text, 'g'::text)) ||
             CASE
                 WHEN (t.t ~~ '%@%'::text) THEN '(?!\w|\.\w)'::text
                 ELSE '(?!\w)'::text
             END), '|'::text ORDER BY (length(t.t)) DESC, t.t), '#'::text, 'gi'::text)
         END AS regexp_replace
    FROM unnest(without_texts.texts) t(t);
END;
comment on function orderwheel.without_texts(text,text[]) is 'These words without those texts: # stands where one was.';

CREATE OR REPLACE FUNCTION orderwheel.json_without_texts(value jsonb, texts text[])
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
comment on function orderwheel.json_without_texts(jsonb,text[]) is 'The same with every text in a JSON value; keys stay, and so do ids, targets, kinds and states, whatever somebody is called.';

CREATE OR REPLACE FUNCTION orderwheel.without_person(words text, document jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (words = 'forgotten'::text) THEN words
             WHEN (words IS NOT NULL) THEN regexp_replace(orderwheel.without_texts(words, ARRAY( SELECT t.t
                FROM orderwheel.personal_texts(without_person.document) t(t)
             UNION
              SELECT part.part
                FROM unnest(ARRAY[(without_person.document #>> '{customer,name}'::text[]), (without_person.document #>> '{billingAddress,name}'::text[]), (without_person.document #>> '{shippingAddress,name}'::text[])]) name(name),
                 LATERAL regexp_split_to_table(name.name, '\s+'::text) part(part)
               WHERE (length(part.part) >= 3))), '\S*@\S*'::text, '#'::text, 'g'::text)
             ELSE NULL::text
         END AS "case";
END;
comment on function orderwheel.without_person(text,jsonb) is 'A reason without the person whose order it is about, as far as the order''s document names them, and without anything that looks like an e-mail address.';

CREATE OR REPLACE FUNCTION orderwheel.delete_items_of_replays()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from orderwheel.replay_items i using gone where i.replay_id = gone.id;
  return null;
end
$function$;
comment on function orderwheel.delete_items_of_replays() is 'What deleting a replay deletes: its list.';

CREATE OR REPLACE FUNCTION orderwheel.first_id(at timestamp with time zone)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN ((lpad(to_hex(((EXTRACT(epoch FROM at) * (1000)::numeric))::bigint), 12, '0'::text) || repeat('0'::text, 20)))::uuid;
comment on function orderwheel.first_id(timestamp with time zone) is 'The lowest id that a row made at this time can have: "where id >= orderwheel.first_id(''2026-11-01'')" finds rows by age in the primary key.';

CREATE OR REPLACE FUNCTION orderwheel.delete_messages_of_orders()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from orderwheel.messages m using gone where m.order_id = gone.id;
  -- Those whose delivery went with its month, which deleting messages does not reach.
  delete from orderwheel.dead_letters l using gone where l.order_id = gone.id;
  return null;
end
$function$;
comment on function orderwheel.delete_messages_of_orders() is 'What deleting an order deletes: its messages and dead letters.';

CREATE OR REPLACE FUNCTION orderwheel.keep_held_letters()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'Dead letter % is held since %: %. Release it first (orderwheel dead-letters release).', old.id, old.held_at, old.hold_reason
    using errcode = 'restrict_violation';
end
$function$;
comment on function orderwheel.keep_held_letters() is 'Keeps a dead letter that is held from being deleted, with its delivery, message and order.';

CREATE OR REPLACE FUNCTION orderwheel.delete_letters_of_deliveries()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from orderwheel.dead_letters l using gone
   where l.message_id = gone.message_id and l.target = gone.target;
  return null;
end
$function$;
comment on function orderwheel.delete_letters_of_deliveries() is 'What deleting a delivery deletes: its dead letters.';

CREATE OR REPLACE FUNCTION orderwheel.netstring(field text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (field IS NULL) THEN '-,'::text ELSE ((((octet_length(convert_to(field, 'UTF8'::name)))::text || ':'::text) || field) || ','::text) END;
comment on function orderwheel.netstring(text) is 'A text so that no two lists of texts are written alike: its length in bytes, a colon, the text, a comma; null is -, alone.';

CREATE OR REPLACE FUNCTION orderwheel.entry_time(at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN to_char((at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text);
comment on function orderwheel.entry_time(timestamp with time zone) is 'A time as it is hashed: 2026-11-23T10:15:00.123456Z.';

CREATE OR REPLACE FUNCTION orderwheel.chain_record()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform orderwheel.chain_entries(array[(
    null, case tg_op when 'INSERT' then new.at else now() end, case tg_op when 'INSERT' then 'action' else 'masked' end,
    new.id, jsonb_strip_nulls(jsonb_build_object('kept', encode(orderwheel.kept_digest(new), 'hex'))),
    orderwheel.record_digest(new), null, null)::orderwheel.audit_chain]);
  return null;
end
$function$;
comment on function orderwheel.chain_record() is 'Enters a row of audit_log, or what forgetting left of it, when its transaction commits.';

CREATE OR REPLACE FUNCTION orderwheel.renew_salt()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.salt := gen_random_uuid();
  return new;
end
$function$;
comment on function orderwheel.renew_salt() is 'Gives a row of audit_log whose texts are forgotten another salt.';

CREATE OR REPLACE FUNCTION orderwheel.chain_told(target text, message_ids uuid[], order_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  told   record;
  before bigint;
begin
  -- What the foreign key of audit_salts would lock after the chain's end.
  perform from orderwheel.orders where id = any(order_ids) order by id for key share;
  with said as materialized (
    select m.id, m.kind, m.payload::text as payload, o.id as order_id, o.external_id, o.document, gen_random_uuid() as salt
      from unnest(message_ids, order_ids) as t(message_id, order_id)
     cross join lateral (select * from orderwheel.messages where id = t.message_id offset 0) m
      left join lateral (select * from orderwheel.orders where id = t.order_id offset 0) o on true
  )
  select array_agg((
           null, now(), 'told', s.order_id,
           jsonb_build_object(
             'target', target, 'message', s.id, 'kind', s.kind, 'externalId', s.external_id,
             'total', s.document #> '{totals,total}', 'currency', s.document -> 'currency',
             'payload', case when s.order_id is not null then encode(orderwheel.salted_digest(s.salt, s.payload), 'hex') end),
           case when s.order_id is not null then orderwheel.salted_digest(s.salt, s.document::text) end, null, null)::orderwheel.audit_chain order by s.id) as entries,
         array_agg(s.order_id order by s.id) as orders, array_agg(s.salt order by s.id) as salts
    into told
    from said s;
  if told.entries is null then
    return;
  end if;
  before := orderwheel.chain_entries(told.entries);
  insert into orderwheel.audit_salts (position, order_id, salt)
  select before + n, order_id, salt from unnest(told.orders, told.salts) with ordinality as t(order_id, salt, n)
   where order_id is not null;
end
$function$;
comment on function orderwheel.chain_told(text,uuid[],uuid[]) is 'Enters that a target was told these messages of these orders, and keeps the salts.';

CREATE OR REPLACE FUNCTION orderwheel.salted_digest(salt uuid, said text)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to((orderwheel.netstring((salt)::text) || orderwheel.netstring(said)), 'UTF8'::name));
comment on function orderwheel.salted_digest(uuid,text) is 'What the digest of an order''s document or a message''s payload has to be; without a salt, of what is left of an order that was forgotten.';

CREATE OR REPLACE FUNCTION orderwheel.chain_forgotten(forgotten uuid)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  delete from orderwheel.audit_salts where order_id = forgotten;
  perform orderwheel.chain_entries(array_agg((
    null, now(), 'forgotten', o.id, '{}', orderwheel.salted_digest(null, o.document::text), null, null)::orderwheel.audit_chain))
     from orderwheel.orders o where o.id = forgotten;
end
$function$;
comment on function orderwheel.chain_forgotten(uuid) is 'Deletes the salts of an order that was forgotten, and enters that it was.';

CREATE OR REPLACE FUNCTION orderwheel.chain_removed(of_table text, until timestamp with time zone, removed bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  perform orderwheel.chain_entries(array[(
    null, now(), 'removed', null,
    jsonb_build_object('of', of_table, 'until', orderwheel.entry_time(until), 'count', removed), null, null, null)::orderwheel.audit_chain]);
end
$function$;
comment on function orderwheel.chain_removed(text,timestamp with time zone,bigint) is 'Enters that the retention deleted rows of audit_log, or orders, from before a time.';

CREATE OR REPLACE FUNCTION orderwheel.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'orderwheel.audit_chain is append-only: % is refused. What happened is not undone by removing its entry; see docs/audit-log.md.', lower(tg_op)
    using errcode = 'integrity_constraint_violation';
end
$function$;
comment on function orderwheel.refuse_change() is 'Refuses to change or remove entries of audit_chain.';

CREATE OR REPLACE FUNCTION orderwheel.settle_order(which uuid)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  paid record;
  earliest uuid;
begin
  -- Waits for a cancellation that is being written (its message share-locks the order): what was cancelled before it was
  -- paid is not told as placed, and what is placed is told before its cancellation.
  select orderwheel.first_id(received_at - interval '1 day') into earliest
    from orderwheel.orders where id = which for update;
  select * into paid from orderwheel.payments where order_id = which;
  if coalesce(paid.state, 'pending') = 'pending' then
    return;
  end if;
  -- A number nobody can guess takes the place of a declined order's own, so that the buyer can try again under it.
  update orderwheel.orders o
     set document = jsonb_set(o.document, '{payment}', jsonb_build_object(
           'status', paid.state, 'provider', paid.provider, 'reference', paid.reference, 'mode', paid.mode)),
         external_id = case when paid.state = 'declined' then 'declined-' || gen_random_uuid() else o.external_id end
   where o.id = which and o.document #>> '{payment,status}' = 'pending';
  -- What an order that said so before was told of may be dropped by now.
  if found and paid.state <> 'declined' then
    insert into orderwheel.outbox (order_id, kind, created_at)
    select which, 'order.placed', greatest(now(), least(paid.settled_at, clock_timestamp())) -- in the order's story, after its payment
     where not exists (select from orderwheel.outbox b where b.order_id = which and b.kind in ('order.cancelled', 'order.placed'))
       and not exists (select from orderwheel.messages m where m.order_id = which and m.id >= earliest and m.kind in ('order.cancelled', 'order.placed'));
  end if;
  -- What was held until this is known, a cancellation, or was refused for it.
  update orderwheel.outbox set try_after = case when refusals > 0 then now() end
   where order_id = which and try_after > now();
end
$function$;
comment on function orderwheel.settle_order(uuid) is 'What follows from what is known of an order''s payment: the order says so, is told as placed if it was paid and not cancelled, and what was held until then is relayed. Twice is as once.';

CREATE OR REPLACE FUNCTION orderwheel.payment_settled()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform orderwheel.settle_order(new.order_id);
  return null;
end
$function$;
comment on function orderwheel.payment_settled() is 'Has follow what follows, in the transaction that writes down what became of a payment.';

CREATE OR REPLACE FUNCTION orderwheel.keep_endings(since timestamp with time zone, until timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
declare
  kept integer;
begin
  with cancelled as (
    select m.order_id, min(m.created_at) as at
      from orderwheel.messages m
     where m.id >= orderwheel.first_id(since) and m.id < orderwheel.first_id(until) and m.kind = 'order.cancelled'
     group by m.order_id
  ), locked as (
    select o.id, c.at from cancelled c join orderwheel.orders o on o.id = c.order_id
     where o.cancelled_at is null
     order by o.id for no key update of o
  )
  update orderwheel.orders o set cancelled_at = l.at from locked l where o.id = l.id;
  get diagnostics kept = row_count;
  with told as (
    select d.order_id, bool_or(m.kind = 'order.placed') as placed, bool_or(m.kind = 'order.cancelled') as cancelled
      from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
     where d.message_id >= orderwheel.first_id(since) and d.message_id < orderwheel.first_id(until)
       and m.id >= orderwheel.first_id(since) and m.id < orderwheel.first_id(until)
       and d.target = 'payment' and d.state = 'delivered' and m.kind in ('order.placed', 'order.cancelled')
     group by d.order_id
  ), locked as (
    select p.order_id,
           case when not t.cancelled then 'captured'
                when t.placed or p.state = 'captured' or p.became = 'captured' then 'refunded'
                else 'voided' end as became
      from told t join orderwheel.payments p on p.order_id = t.order_id
     where (p.state = 'authorized' or p.state = 'captured' and t.cancelled)
       and (p.became is null or p.became = 'captured')
     order by p.order_id for no key update of p
  )
  update orderwheel.payments p set became = l.became from locked l
   where p.order_id = l.order_id and p.became is distinct from l.became;
  return kept;
end
$function$;
comment on function orderwheel.keep_endings(timestamp with time zone,timestamp with time zone) is 'Writes down which orders were cancelled, and what became of their payments, by what happened in this time: before the months that say so are dropped, the earliest first. Of a large month by the hour or day: it locks what it writes. Answers how many were cancelled. Twice is as once.';

create table orderwheel.schema_migrations (
  name       text not null,
  checksum   text not null,
  applied_at timestamp with time zone not null default now(),
  constraint schema_migrations_pkey PRIMARY KEY (name),
  constraint schema_migrations_checksum_check CHECK ((length(checksum) = 64)),
  constraint schema_migrations_name_check CHECK ((length(name) <= 200))
);
comment on table orderwheel.schema_migrations is 'The migrations this database has seen: orderwheel migrate --status.';
comment on column orderwheel.schema_migrations.name is 'The file in migrations/.';
comment on column orderwheel.schema_migrations.checksum is 'SHA-256 of the file as it was applied. Applied files are never changed.';
comment on column orderwheel.schema_migrations.applied_at is 'When it was applied.';
comment on index orderwheel.schema_migrations_pkey is 'A file is applied once.';

create table orderwheel.api_keys (
  id              uuid not null default uuidv7(),
  name            text not null,
  key_hash        bytea not null,
  key_start       text not null,
  scopes          text[] not null,
  rate_per_second integer not null default 2000,
  created_at      timestamp with time zone not null default now(),
  revoked_at      timestamp with time zone,
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_key_hash_key UNIQUE (key_hash),
  constraint api_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
  constraint api_keys_key_start_check CHECK (((length(key_start) >= 4) AND (length(key_start) <= 20))),
  constraint api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint api_keys_rate_per_second_check CHECK (((rate_per_second >= 1) AND (rate_per_second <= 1000000))),
  constraint api_keys_scopes_check CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['orders:write'::text, 'orders:read'::text, 'messages:write'::text, 'reports'::text, 'ops:read'::text, 'ops:write'::text])))
);
CREATE UNIQUE INDEX api_keys_valid_name ON orderwheel.api_keys USING btree (name) WHERE (revoked_at IS NULL);
comment on table orderwheel.api_keys is 'Who may call the HTTP API. Keys are never deleted, only revoked, so that every order can say who sent it.';
comment on column orderwheel.api_keys.id is 'Time-ordered id.';
comment on column orderwheel.api_keys.name is 'What a person calls this key, for example "web shop".';
comment on column orderwheel.api_keys.key_hash is 'SHA-256 of the key. The key itself (256 random bits) is shown once and stored nowhere.';
comment on column orderwheel.api_keys.key_start is 'The first characters of the key, to recognise it by.';
comment on column orderwheel.api_keys.scopes is 'What the key may do: orders:write, orders:read, messages:write, reports, ops:read, ops:write.';
comment on column orderwheel.api_keys.rate_per_second is 'Requests a second that each api process admits for this key.';
comment on column orderwheel.api_keys.created_at is 'When the key was made.';
comment on column orderwheel.api_keys.revoked_at is 'When the key stopped being valid; null while it is.';
comment on constraint api_keys_key_hash_key on orderwheel.api_keys is 'No key twice.';
comment on index orderwheel.api_keys_key_hash_key is 'Looks a presented key up, by each api process about twice a minute per key; no key twice.';
comment on index orderwheel.api_keys_pkey is 'Which key an order came with: joins from orders.api_key_id.';
comment on index orderwheel.api_keys_valid_name is 'One valid key of a name.';

create table orderwheel.orders (
  id              uuid not null default uuidv7(),
  external_id     text not null,
  api_key_id      uuid not null,
  idempotency_key text not null,
  fingerprint     bytea not null,
  document        jsonb not null,
  received_at     timestamp with time zone not null default now(),
  forgotten_at    timestamp with time zone,
  cancelled_at    timestamp with time zone,
  constraint orders_pkey PRIMARY KEY (id),
  constraint orders_api_key_id_idempotency_key_key UNIQUE (api_key_id, idempotency_key),
  constraint orders_external_id_key UNIQUE (external_id),
  constraint orders_external_id_check CHECK ((external_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text)),
  constraint orders_fingerprint_check CHECK ((octet_length(fingerprint) = 32)),
  constraint orders_idempotency_key_check CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255)))
) with (autovacuum_analyze_scale_factor=0.02, autovacuum_vacuum_insert_scale_factor=0.05);
comment on table orderwheel.orders is 'What the storefront sent, validated, stored once. Rewritten once its payment is known (see payments), and by orderwheel forget. Kept until you delete it.';
comment on column orderwheel.orders.id is 'Time-ordered id, also the id in every URL.';
comment on column orderwheel.orders.external_id is 'The storefront''s order number. A declined order gave it up, so that the buyer can try again: payments.external_id has it.';
comment on column orderwheel.orders.api_key_id is 'The api_keys row that sent it.';
comment on column orderwheel.orders.idempotency_key is 'The Idempotency-Key it was sent with, unique per API key: the order''s own row is the record of the request.';
comment on column orderwheel.orders.fingerprint is 'SHA-256 of the body (keys sorted), to tell a repeated request from a key used twice. Stays when the order is forgotten.';
comment on column orderwheel.orders.document is 'The order as sent. Holds personal data, until it is forgotten.';
comment on column orderwheel.orders.received_at is 'When the order was committed.';
comment on column orderwheel.orders.forgotten_at is 'When the personal data in it was removed (orderwheel forget); null: it was not.';
comment on column orderwheel.orders.cancelled_at is 'When it was cancelled, written down before the history that says so is dropped (keep_endings); null: its messages say it, if it was.';
comment on constraint orders_api_key_id_idempotency_key_key on orderwheel.orders is 'One order of an Idempotency-Key: what makes repeating POST /orders safe.';
comment on constraint orders_external_id_key on orderwheel.orders is 'One order of a storefront''s number.';
comment on index orderwheel.orders_api_key_id_idempotency_key_key is 'One order of an Idempotency-Key: what makes repeating POST /orders safe.';
comment on index orderwheel.orders_external_id_key is 'One order of a storefront''s number, and GET /orders?externalId= and orderwheel order, which look it up.';
comment on index orderwheel.orders_pkey is 'GET /orders/{id}, and every claim, which reads the order that is to be told. Time-ordered, so new rows share its last pages; orderwheel forget walks it.';

create table orderwheel.outbox (
  "position" bigint not null generated always as identity,
  id         uuid not null default uuidv7(),
  order_id   uuid,
  kind       text not null,
  payload    jsonb not null default '{}'::jsonb,
  created_at timestamp with time zone not null default now(),
  refusals   integer not null default 0,
  refusal    text,
  try_after  timestamp with time zone,
  constraint outbox_pkey PRIMARY KEY ("position"),
  constraint outbox_check CHECK ((((refusals = 0) = (refusal IS NULL)) AND ((refusals = 0) OR (try_after IS NOT NULL)))) NOT VALID,
  constraint outbox_id_is_uuidv7 CHECK (((refusals > 0) OR COALESCE((uuid_extract_version(id) = 7), false))) NOT VALID,
  constraint outbox_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 100))),
  constraint outbox_order_kinds_have_orders CHECK (((order_id IS NOT NULL) OR (kind !~~ 'order.%'::text))) NOT VALID,
  constraint outbox_refusal_check CHECK ((length(refusal) <= 2000)),
  constraint outbox_refusals_check CHECK ((refusals >= 0)),
  constraint outbox_order_id_fkey FOREIGN KEY (order_id) REFERENCES orderwheel.orders(id) ON DELETE CASCADE
) with (autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=20000, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=1000, fillfactor=90);
CREATE INDEX outbox_order ON orderwheel.outbox USING btree (order_id, "position");
CREATE INDEX outbox_own_kinds ON orderwheel.outbox USING btree (id) WHERE (kind !~~ 'order.%'::text);
CREATE INDEX outbox_refused ON orderwheel.outbox USING btree (try_after) WHERE (try_after IS NOT NULL);
comment on table orderwheel.outbox is 'Messages not yet relayed. Any program may insert a row in the transaction that changes what it tells of (docs/messages.md); the relay deletes it in the transaction that writes messages, deliveries and jobs.';
comment on column orderwheel.outbox."position" is 'The order in which messages happened: a sequence, because the clock may step back after a failover.';
comment on column orderwheel.outbox.id is 'The message''s id, kept in messages, and the job''s id in every target''s queue.';
comment on column orderwheel.outbox.order_id is 'The order it happened to; null: it is about none.';
comment on column orderwheel.outbox.kind is 'What happened: order.placed, order.cancelled, or a kind that the configuration declares in messages.';
comment on column orderwheel.outbox.payload is 'What happened, in detail, beyond the order itself. Of a declared kind: as its schema says, at most 256 KiB.';
comment on column orderwheel.outbox.created_at is 'When it happened.';
comment on column orderwheel.outbox.refusals is 'How often the relay could not relay it. Above 0 a person should look.';
comment on column orderwheel.outbox.refusal is 'Why the relay could not relay it, last time.';
comment on column orderwheel.outbox.try_after is 'When the relay tries a refused message again; infinity: it is held until it is known whether its order was paid; null: neither. Later messages of the same order wait meanwhile.';
comment on constraint outbox_check on orderwheel.outbox is 'A refused message says how often, why, and when it is tried again.';
comment on constraint outbox_id_is_uuidv7 on orderwheel.outbox is 'A message''s id says in which month''s partition its history is kept. Leave it to the default, or make a uuidv7.';
comment on constraint outbox_order_id_fkey on orderwheel.outbox is 'A message is about an order that is there: checked in the transaction that adds it. Deleting the order deletes it.';
comment on constraint outbox_order_kinds_have_orders on orderwheel.outbox is 'What happened to an order names it.';
comment on index orderwheel.outbox_order is 'Whether an earlier message of the same order is still here: the relay asks for each message. Also deleting an order.';
comment on index orderwheel.outbox_own_kinds is 'A message of an application''s own kind by its id, while it is not relayed: GET /messages/{id}, order_timeline, verify.';
comment on index orderwheel.outbox_pkey is 'The relay takes the oldest messages along it. Its front holds dead entries after a burst, until vacuum.';
comment on index orderwheel.outbox_refused is 'Refused messages by when they are tried again. Empty while all is well.';
comment on sequence orderwheel.outbox_position_seq is 'The order of messages. Gaps are ordinary: orders that were rolled back.';

create table orderwheel.targets (
  name                 text not null,
  kind                 text not null,
  concurrency          integer not null,
  declared_at          timestamp with time zone not null default now(),
  priority             text not null default 'normal'::text,
  rate_max             integer,
  rate_per_seconds     double precision,
  concurrency_set      integer,
  rate_set             boolean not null default false,
  rate_set_max         integer,
  rate_set_per_seconds double precision,
  next_call_at         timestamp with time zone,
  paused_at            timestamp with time zone,
  paused_until         timestamp with time zone,
  paused_by            text,
  pause_reason         text,
  circuit              text not null default 'closed'::text,
  circuit_since        timestamp with time zone not null default now(),
  circuit_reason       text,
  circuit_epoch        bigint not null default 0,
  probe_at             timestamp with time zone,
  failed_probes        integer not null default 0,
  ramp_slots           integer not null default 0,
  ramp_calls           integer not null default 0,
  failed_in_a_row      integer not null default 0,
  window_since         timestamp with time zone,
  window_calls         integer not null default 0,
  window_failed        integer not null default 0,
  address              text,
  keep_letters_days    integer,
  constraint targets_pkey PRIMARY KEY (name),
  constraint targets_address_check CHECK ((length(address) <= 500)),
  constraint targets_check CHECK (((rate_max IS NULL) = (rate_per_seconds IS NULL))),
  constraint targets_check1 CHECK (((rate_set_max IS NULL) = (rate_set_per_seconds IS NULL))),
  constraint targets_check2 CHECK ((rate_set OR (rate_set_max IS NULL))),
  constraint targets_check3 CHECK (((paused_at IS NOT NULL) OR ((paused_until IS NULL) AND (paused_by IS NULL) AND (pause_reason IS NULL)))),
  constraint targets_circuit_check CHECK ((circuit = ANY (ARRAY['closed'::text, 'open'::text, 'probing'::text, 'ramping'::text]))),
  constraint targets_circuit_reason_check CHECK ((length(circuit_reason) <= 2000)),
  constraint targets_concurrency_check CHECK (((concurrency >= 1) AND (concurrency <= 1000))),
  constraint targets_concurrency_set_check CHECK (((concurrency_set >= 1) AND (concurrency_set <= 1000))),
  constraint targets_failed_in_a_row_check CHECK ((failed_in_a_row >= 0)),
  constraint targets_failed_probes_check CHECK ((failed_probes >= 0)),
  constraint targets_keep_letters_days_check CHECK (((keep_letters_days >= 1) AND (keep_letters_days <= 36500))),
  constraint targets_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 40))),
  constraint targets_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,39}$'::text)),
  constraint targets_pause_reason_check CHECK ((length(pause_reason) <= 2000)),
  constraint targets_paused_by_check CHECK ((length(paused_by) <= 200)),
  constraint targets_priority_check CHECK ((priority = ANY (ARRAY['high'::text, 'normal'::text, 'low'::text]))),
  constraint targets_ramp_calls_check CHECK ((ramp_calls >= 0)),
  constraint targets_ramp_slots_check CHECK ((ramp_slots >= 0)),
  constraint targets_rate_max_check CHECK (((rate_max >= 1) AND (rate_max <= 1000000))),
  constraint targets_rate_per_seconds_check CHECK (((rate_per_seconds >= (0.1)::double precision) AND (rate_per_seconds <= (86400)::double precision))),
  constraint targets_rate_set_max_check CHECK (((rate_set_max >= 1) AND (rate_set_max <= 1000000))),
  constraint targets_rate_set_per_seconds_check CHECK (((rate_set_per_seconds >= (0.1)::double precision) AND (rate_set_per_seconds <= (86400)::double precision))),
  constraint targets_window_calls_check CHECK ((window_calls >= 0)),
  constraint targets_window_failed_check CHECK ((window_failed >= 0))
) with (fillfactor=50);
comment on table orderwheel.targets is 'The targets of the configuration file, as the last process that started declared them, and what all workers share about each: limits, pause, circuit.';
comment on column orderwheel.targets.name is 'The target''s name: also its queue''s name in pgboss, whose dead-letter queue is <name>.dead.';
comment on column orderwheel.targets.kind is 'How it is told: http, batch, email, webhook or custom; or made: receipt, reports; or entered: audit.';
comment on column orderwheel.targets.concurrency is 'Calls at a time by all workers together, by the configuration.';
comment on column orderwheel.targets.declared_at is 'When a process with this target in its configuration last started.';
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
comment on column orderwheel.targets.address is 'Where it is told, without secrets, by the configuration; null: only its code knows.';
comment on column orderwheel.targets.keep_letters_days is 'Days that a closed dead letter is kept; null: for ever.';
comment on constraint targets_check on orderwheel.targets is 'A rate has both numbers or none.';
comment on constraint targets_check1 on orderwheel.targets is 'A rate that an operator set has both numbers or none.';
comment on constraint targets_check2 on orderwheel.targets is 'Only an operator''s rate counts instead of the configuration''s.';
comment on constraint targets_check3 on orderwheel.targets is 'A pause says since when.';
comment on index orderwheel.targets_pkey is 'A target by name.';

create table orderwheel.dead_letters (
  id          uuid not null default uuidv7(),
  message_id  uuid not null,
  target      text not null,
  order_id    uuid not null,
  reason      text not null,
  attempts    jsonb not null,
  died_at     timestamp with time zone not null default now(),
  resolution  text,
  resolved_at timestamp with time zone,
  resolved_by text,
  comment     text,
  status      integer generated always as (
CASE
    WHEN ((((attempts -> '-1'::integer) -> 'answer'::text) ->> 'status'::text) ~ '^[0-9]{1,6}$'::text) THEN ((((attempts -> '-1'::integer) -> 'answer'::text) ->> 'status'::text))::integer
    ELSE NULL::integer
END) stored,
  code        text generated always as ("left"((((attempts -> '-1'::integer) -> 'answer'::text) ->> 'code'::text), 64)) stored,
  failure     text generated always as (
CASE
    WHEN ((((attempts -> '-1'::integer) -> 'answer'::text) ->> 'code'::text) IS NULL) THEN orderwheel.failure_of(reason)
    ELSE NULL::text
END) stored,
  group_id    text not null generated always as ("left"(md5(((((target || '|'::text) || COALESCE((((attempts -> '-1'::integer) -> 'answer'::text) ->> 'status'::text), ''::text)) || '|'::text) || COALESCE("left"((((attempts -> '-1'::integer) -> 'answer'::text) ->> 'code'::text), 64), orderwheel.failure_of(reason)))), 12)) stored,
  replay_id   uuid,
  held_at     timestamp with time zone,
  held_by     text,
  hold_reason text,
  constraint dead_letters_pkey PRIMARY KEY (id),
  constraint dead_letters_check CHECK (((resolution IS NULL) = (resolved_at IS NULL))),
  constraint dead_letters_check1 CHECK ((((held_at IS NULL) = (held_by IS NULL)) AND ((held_at IS NULL) = (hold_reason IS NULL)))),
  constraint dead_letters_comment_check CHECK ((length(comment) <= 2000)),
  constraint dead_letters_held_by_check CHECK ((length(held_by) <= 200)),
  constraint dead_letters_hold_reason_check CHECK ((length(hold_reason) <= 2000)),
  constraint dead_letters_reason_check CHECK ((length(reason) <= 2000)),
  constraint dead_letters_resolution_check CHECK ((resolution = ANY (ARRAY['replayed'::text, 'discarded'::text]))),
  constraint dead_letters_resolved_by_check CHECK ((length(resolved_by) <= 200))
);
CREATE INDEX dead_letters_closed ON orderwheel.dead_letters USING btree (target, resolved_at) WHERE ((resolved_at IS NOT NULL) AND (held_at IS NULL));
CREATE INDEX dead_letters_closed_groups ON orderwheel.dead_letters USING btree (group_id, resolved_at, id) WHERE (resolved_at IS NOT NULL);
CREATE INDEX dead_letters_closed_newest ON orderwheel.dead_letters USING btree (resolved_at, id) WHERE (resolved_at IS NOT NULL);
CREATE INDEX dead_letters_delivery ON orderwheel.dead_letters USING btree (message_id, target);
CREATE INDEX dead_letters_groups ON orderwheel.dead_letters USING btree (group_id, died_at, id) INCLUDE (target) WHERE (resolved_at IS NULL);
CREATE INDEX dead_letters_newest ON orderwheel.dead_letters USING btree (died_at, id);
CREATE INDEX dead_letters_open ON orderwheel.dead_letters USING btree (target, died_at, id) WHERE (resolved_at IS NULL);
CREATE INDEX dead_letters_open_newest ON orderwheel.dead_letters USING btree (died_at, id) WHERE (resolved_at IS NULL);
CREATE INDEX dead_letters_order ON orderwheel.dead_letters USING btree (order_id);
comment on table orderwheel.dead_letters is 'Deliveries that were given up on, with every attempt, kept until a person decides: replay or discard. Closed ones for as long as the target''s keepLettersDays says, default for ever.';
comment on column orderwheel.dead_letters.id is 'Time-ordered id.';
comment on column orderwheel.dead_letters.message_id is 'The delivery''s message.';
comment on column orderwheel.dead_letters.target is 'The delivery''s target.';
comment on column orderwheel.dead_letters.order_id is 'The delivery''s order; of a message about no order, the message''s id.';
comment on column orderwheel.dead_letters.reason is 'Why it was given up.';
comment on column orderwheel.dead_letters.attempts is 'Every attempt, as it stood in delivery_attempts.';
comment on column orderwheel.dead_letters.died_at is 'When it was given up.';
comment on column orderwheel.dead_letters.resolution is 'replayed or discarded; null while a person has to decide.';
comment on column orderwheel.dead_letters.resolved_at is 'When that was decided.';
comment on column orderwheel.dead_letters.resolved_by is 'Who decided.';
comment on column orderwheel.dead_letters.comment is 'The reason that person gave.';
comment on column orderwheel.dead_letters.status is 'What the target answered last: an HTTP status or SMTP reply code; null: no answer.';
comment on column orderwheel.dead_letters.code is 'The error''s code in that answer, for example UNKNOWN_SKU.';
comment on column orderwheel.dead_letters.failure is 'The reason without what differs from order to order (failure_of); null when there is a code, which says it better.';
comment on column orderwheel.dead_letters.group_id is 'Letters of the same target, status and code (or failure) have the same.';
comment on column orderwheel.dead_letters.replay_id is 'The replay that gave it a job again; null: not replayed, or by hand.';
comment on column orderwheel.dead_letters.held_at is 'Since when it is kept from any retention (a legal hold); null: it is not.';
comment on column orderwheel.dead_letters.held_by is 'Who ordered that.';
comment on column orderwheel.dead_letters.hold_reason is 'Why.';
comment on constraint dead_letters_check on orderwheel.dead_letters is 'A decided letter says when.';
comment on constraint dead_letters_check1 on orderwheel.dead_letters is 'A held letter says since when, by whom and why.';
comment on index orderwheel.dead_letters_closed is 'Closed letters by age, for their retention; held ones are not in it.';
comment on index orderwheel.dead_letters_closed_groups is 'Closed letters of a group.';
comment on index orderwheel.dead_letters_closed_newest is 'Closed letters, page by page, the newest first.';
comment on index orderwheel.dead_letters_delivery is 'The letters of a delivery: settling a decision, deleting the delivery.';
comment on index orderwheel.dead_letters_groups is 'dead_letter_groups and target_health count in it without reading the table; a group''s letters, the oldest first, for a replay.';
comment on index orderwheel.dead_letters_newest is 'All letters, page by page, the newest first.';
comment on index orderwheel.dead_letters_open is 'Letters nobody has decided on, the oldest first: lists, and stuck_deliveries.';
comment on index orderwheel.dead_letters_open_newest is 'Letters nobody has decided on, page by page, the newest first.';
comment on index orderwheel.dead_letters_order is 'The letters of an order: order_timeline.';
comment on index orderwheel.dead_letters_pkey is 'A dead letter by id; the ids are time-ordered.';

create table orderwheel.replays (
  id              uuid not null default uuidv7(),
  filter          jsonb not null,
  requested_by    text not null,
  created_at      timestamp with time zone not null default now(),
  total           integer not null default 0,
  replayed        integer not null default 0,
  finished_at     timestamp with time zone,
  action          text not null default 'replay'::text,
  state           text not null default 'running'::text,
  reason          text,
  rate_per_second double precision not null default 20,
  refused         integer not null default 0,
  next_at         timestamp with time zone not null default now(),
  changed_at      timestamp with time zone not null default now(),
  changed_by      text,
  constraint replays_pkey PRIMARY KEY (id),
  constraint replays_action_check CHECK ((action = ANY (ARRAY['replay'::text, 'discard'::text]))),
  constraint replays_changed_by_check CHECK ((length(changed_by) <= 200)),
  constraint replays_check CHECK (((finished_at IS NULL) = (state = ANY (ARRAY['running'::text, 'paused'::text])))),
  constraint replays_rate_per_second_check CHECK (((rate_per_second >= (0.01)::double precision) AND (rate_per_second <= (10000)::double precision))),
  constraint replays_reason_check CHECK ((length(reason) <= 2000)),
  constraint replays_refused_check CHECK ((refused >= 0)),
  constraint replays_replayed_check CHECK ((replayed >= 0)),
  constraint replays_requested_by_check CHECK ((length(requested_by) <= 200)),
  constraint replays_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'cancelled'::text, 'finished'::text]))),
  constraint replays_total_check CHECK ((total >= 0))
);
CREATE INDEX replays_open ON orderwheel.replays USING btree (next_at) WHERE (state = 'running'::text);
comment on table orderwheel.replays is 'What was asked to be done to many dead letters, with its progress: a list that was fixed when it was asked for, worked off at a rate by the workers.';
comment on column orderwheel.replays.id is 'Time-ordered id.';
comment on column orderwheel.replays.filter is 'Which dead letters: target, error, since, until, order.';
comment on column orderwheel.replays.requested_by is 'Who asked.';
comment on column orderwheel.replays.created_at is 'When.';
comment on column orderwheel.replays.total is 'How many dead letters matched.';
comment on column orderwheel.replays.replayed is 'How many were replayed, or discarded.';
comment on column orderwheel.replays.finished_at is 'When the last dead letter was worked off, or somebody cancelled it; null while it is open.';
comment on column orderwheel.replays.action is 'replay: each delivery gets a job again · discard: each is given up for good, and what waited for it goes on.';
comment on column orderwheel.replays.state is 'running · paused · cancelled: what was not replayed stays a dead letter · finished.';
comment on column orderwheel.replays.reason is 'Why it was asked for.';
comment on column orderwheel.replays.rate_per_second is 'Dead letters that are replayed or discarded each second, by all workers together.';
comment on column orderwheel.replays.refused is 'How many could not be: see replay_items.result.';
comment on column orderwheel.replays.next_at is 'When its next dead letters are due.';
comment on column orderwheel.replays.changed_at is 'When its state or rate was last changed.';
comment on column orderwheel.replays.changed_by is 'Who changed it.';
comment on constraint replays_check on orderwheel.replays is 'Exactly those that are over have an end.';
comment on index orderwheel.replays_open is 'Replays that a worker has to go on with.';
comment on index orderwheel.replays_pkey is 'A replay by id.';

create table orderwheel.idempotency_keys (
  api_key_id      uuid not null,
  idempotency_key text not null,
  route           text not null,
  fingerprint     bytea not null,
  status          integer,
  answer          jsonb,
  created_at      timestamp with time zone not null default now(),
  constraint idempotency_keys_pkey PRIMARY KEY (api_key_id, idempotency_key),
  constraint idempotency_keys_fingerprint_check CHECK ((octet_length(fingerprint) = 32)),
  constraint idempotency_keys_idempotency_key_check CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
  constraint idempotency_keys_route_check CHECK ((length(route) <= 200)),
  constraint idempotency_keys_status_check CHECK (((status >= 200) AND (status <= 499)))
);
CREATE INDEX idempotency_keys_age ON orderwheel.idempotency_keys USING btree (created_at);
comment on table orderwheel.idempotency_keys is 'Idempotency-Keys of requests that do not create an order (an order''s own row is its record). Kept 7 days.';
comment on column orderwheel.idempotency_keys.api_key_id is 'The key that sent the request.';
comment on column orderwheel.idempotency_keys.idempotency_key is 'The Idempotency-Key header.';
comment on column orderwheel.idempotency_keys.route is 'Method and path of the request.';
comment on column orderwheel.idempotency_keys.fingerprint is 'SHA-256 of the body.';
comment on column orderwheel.idempotency_keys.status is 'The status answered; null while the request runs.';
comment on column orderwheel.idempotency_keys.answer is 'The body answered.';
comment on column orderwheel.idempotency_keys.created_at is 'When the request came.';
comment on index orderwheel.idempotency_keys_age is 'Keys older than 7 days, to delete them.';
comment on index orderwheel.idempotency_keys_pkey is 'Looks a repeated request up.';

create table orderwheel.audit_log (
  id        uuid not null default uuidv7(),
  at        timestamp with time zone not null default now(),
  who       text not null,
  action    text not null,
  subject   text not null,
  reason    text,
  details   jsonb not null default '{}'::jsonb,
  salt      uuid not null default gen_random_uuid(),
  kept_salt uuid default gen_random_uuid(),
  constraint audit_log_pkey PRIMARY KEY (id),
  constraint audit_log_action_check CHECK ((length(action) <= 100)),
  constraint audit_log_reason_check CHECK ((length(reason) <= 2000)),
  constraint audit_log_subject_check CHECK ((length(subject) <= 200)),
  constraint audit_log_who_check CHECK ((length(who) <= 200))
);
CREATE INDEX audit_log_at ON orderwheel.audit_log USING btree (at);
CREATE INDEX audit_log_subject ON orderwheel.audit_log USING btree (subject, at);
comment on table orderwheel.audit_log is 'What people did: keys made and revoked, targets paused, dead letters replayed or discarded.';
comment on column orderwheel.audit_log.id is 'Time-ordered id.';
comment on column orderwheel.audit_log.at is 'When.';
comment on column orderwheel.audit_log.who is 'The operator, the API key or the operating-system user.';
comment on column orderwheel.audit_log.action is 'What was done, for example key.created.';
comment on column orderwheel.audit_log.subject is 'To what: a key, a target, an order, a dead letter.';
comment on column orderwheel.audit_log.reason is 'The reason given.';
comment on column orderwheel.audit_log.details is 'Anything else worth keeping.';
comment on column orderwheel.audit_log.salt is 'Salt of the row''s digest in audit_chain, anew when forgetting takes texts from the row: then nobody can guess from the old digest what it said.';
comment on column orderwheel.audit_log.kept_salt is 'Salt of kept_digest(), the same as long as the row is there; null: written before there was one.';
comment on index orderwheel.audit_log_at is 'What was done lately.';
comment on index orderwheel.audit_log_pkey is 'Time-ordered.';
comment on index orderwheel.audit_log_subject is 'What was done to an order, a target, a letter: order_timeline.';

create table orderwheel.target_changes (
  id     bigint not null generated always as identity,
  target text not null,
  at     timestamp with time zone not null default clock_timestamp(),
  change text not null,
  reason text,
  who    text not null,
  constraint target_changes_pkey PRIMARY KEY (id),
  constraint target_changes_change_check CHECK ((change = ANY (ARRAY['circuit-opened'::text, 'circuit-probing'::text, 'circuit-ramping'::text, 'circuit-closed'::text, 'paused'::text, 'resumed'::text, 'limits-set'::text, 'shedding-began'::text, 'shedding-ended'::text]))),
  constraint target_changes_reason_check CHECK ((length(reason) <= 2000)),
  constraint target_changes_target_check CHECK (((length(target) >= 1) AND (length(target) <= 40))),
  constraint target_changes_who_check CHECK ((length(who) <= 200))
);
CREATE INDEX target_changes_at ON orderwheel.target_changes USING btree (at);
CREATE INDEX target_changes_target ON orderwheel.target_changes USING btree (target, at);
comment on table orderwheel.target_changes is 'Every change of a target''s circuit, pause and limits, and when it began and ended to shed. The last 90 days; what operators did is in audit_log for good.';
comment on column orderwheel.target_changes.id is 'In the order they happened.';
comment on column orderwheel.target_changes.target is 'The target.';
comment on column orderwheel.target_changes.at is 'When.';
comment on column orderwheel.target_changes.change is 'What: the circuit''s new state, paused, resumed, limits-set, shedding-began, shedding-ended.';
comment on column orderwheel.target_changes.reason is 'Why, in words.';
comment on column orderwheel.target_changes.who is 'The worker or relay process or the operator.';
comment on index orderwheel.target_changes_at is 'Changes older than 90 days, to delete them.';
comment on index orderwheel.target_changes_pkey is 'In the order they happened.';
comment on index orderwheel.target_changes_target is 'A target''s history: orderwheel targets changes.';
comment on sequence orderwheel.target_changes_id_seq is 'The order of changes.';

create table orderwheel.slot_leases (
  target     text not null,
  worker     text not null,
  slots      integer not null,
  wanted     integer not null,
  renewed_at timestamp with time zone not null default now(),
  constraint slot_leases_pkey PRIMARY KEY (target, worker),
  constraint slot_leases_slots_check CHECK ((slots >= 0)),
  constraint slot_leases_wanted_check CHECK ((wanted >= 0)),
  constraint slot_leases_worker_check CHECK (((length(worker) >= 1) AND (length(worker) <= 200))),
  constraint slot_leases_target_fkey FOREIGN KEY (target) REFERENCES orderwheel.targets(name) ON DELETE CASCADE
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, fillfactor=50);
comment on table orderwheel.slot_leases is 'How many calls at a time each worker process may make to a target. The sum never exceeds the target''s concurrency.';
comment on column orderwheel.slot_leases.target is 'The target.';
comment on column orderwheel.slot_leases.worker is 'The worker process: host, pid and a random part.';
comment on column orderwheel.slot_leases.slots is 'Calls it may have in flight.';
comment on column orderwheel.slot_leases.wanted is 'Calls it could make at once if it were allowed to.';
comment on column orderwheel.slot_leases.renewed_at is 'When the worker last said that it is alive. After 10 s of silence its slots go to others.';
comment on constraint slot_leases_target_fkey on orderwheel.slot_leases is 'A lease is on a declared target.';
comment on index orderwheel.slot_leases_pkey is 'A worker''s lease on a target.';

create table orderwheel.target_counts (
  target    text not null,
  period    timestamp with time zone not null,
  worker    text not null,
  delivered integer not null default 0,
  failed    integer not null default 0,
  constraint target_counts_pkey PRIMARY KEY (target, period, worker),
  constraint target_counts_delivered_check CHECK ((delivered >= 0)),
  constraint target_counts_failed_check CHECK ((failed >= 0)),
  constraint target_counts_worker_check CHECK (((length(worker) >= 1) AND (length(worker) <= 200))),
  constraint target_counts_target_fkey FOREIGN KEY (target) REFERENCES orderwheel.targets(name) ON DELETE CASCADE
) with (fillfactor=70);
comment on table orderwheel.target_counts is 'Attempts that ended, counted by the workers, so that nobody has to count deliveries. The last hour.';
comment on column orderwheel.target_counts.target is 'The target.';
comment on column orderwheel.target_counts.period is 'Begin of the ten seconds in which they were written down.';
comment on column orderwheel.target_counts.worker is 'The worker process.';
comment on column orderwheel.target_counts.delivered is 'Attempts that delivered.';
comment on column orderwheel.target_counts.failed is 'Attempts that did not.';
comment on constraint target_counts_target_fkey on orderwheel.target_counts is 'Counts are of a declared target.';
comment on index orderwheel.target_counts_pkey is 'A target''s counts by time: delivered per minute.';

create table orderwheel.replay_items (
  replay_id     uuid not null,
  "position"    integer not null,
  letter_id     uuid not null,
  state         text not null default 'waiting'::text,
  result        text,
  worked_off_at timestamp with time zone,
  constraint replay_items_pkey PRIMARY KEY (replay_id, "position"),
  constraint replay_items_check CHECK (((worked_off_at IS NULL) = (state = ANY (ARRAY['waiting'::text, 'cancelled'::text])))),
  constraint replay_items_position_check CHECK (("position" > 0)),
  constraint replay_items_result_check CHECK ((length(result) <= 2000)),
  constraint replay_items_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'done'::text, 'refused'::text, 'cancelled'::text])))
);
CREATE INDEX replay_items_letter ON orderwheel.replay_items USING btree (letter_id);
CREATE INDEX replay_items_waiting ON orderwheel.replay_items USING btree (letter_id) WHERE (state = 'waiting'::text);
comment on table orderwheel.replay_items is 'The dead letters of a replay, oldest first.';
comment on column orderwheel.replay_items.replay_id is 'The replay.';
comment on column orderwheel.replay_items."position" is 'Its place in the list, 1 for the first.';
comment on column orderwheel.replay_items.letter_id is 'The dead letter. It may be deleted by its retention while this row stays.';
comment on column orderwheel.replay_items.state is 'waiting · done: replayed or discarded · refused: see result · cancelled.';
comment on column orderwheel.replay_items.result is 'Why it was refused.';
comment on column orderwheel.replay_items.worked_off_at is 'When it was done or refused.';
comment on constraint replay_items_check on orderwheel.replay_items is 'What was worked off says when.';
comment on index orderwheel.replay_items_letter is 'Whether a letter is in a list already.';
comment on index orderwheel.replay_items_pkey is 'A replay''s list in its order.';
comment on index orderwheel.replay_items_waiting is 'Whether a letter is in a list that is still to be worked off.';

create table orderwheel.verifications (
  id           uuid not null default uuidv7(),
  is_full      boolean not null,
  requested_by text not null,
  started_at   timestamp with time zone not null,
  finished_at  timestamp with time zone not null default now(),
  failure      text,
  orders       bigint not null default 0,
  messages     bigint not null default 0,
  deliveries   bigint not null default 0,
  jobs         bigint not null default 0,
  lost         integer not null default 0,
  stuck        integer not null default 0,
  disorders    integer not null default 0,
  counts       jsonb not null default '{}'::jsonb,
  findings     jsonb not null default '[]'::jsonb,
  watermark    uuid,
  constraint verifications_pkey PRIMARY KEY (id),
  constraint verifications_deliveries_check CHECK ((deliveries >= 0)),
  constraint verifications_disorders_check CHECK ((disorders >= 0)),
  constraint verifications_failure_check CHECK ((length(failure) <= 2000)),
  constraint verifications_jobs_check CHECK ((jobs >= 0)),
  constraint verifications_lost_check CHECK ((lost >= 0)),
  constraint verifications_messages_check CHECK ((messages >= 0)),
  constraint verifications_orders_check CHECK ((orders >= 0)),
  constraint verifications_requested_by_check CHECK ((length(requested_by) <= 200)),
  constraint verifications_stuck_check CHECK ((stuck >= 0))
);
CREATE INDEX verifications_finished ON orderwheel.verifications USING btree (finished_at);
comment on table orderwheel.verifications is 'What each verification (orderwheel verify, and every 5 minutes by itself) came to. Kept 90 days, the newest for ever.';
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
comment on index orderwheel.verifications_finished is 'The last verification, and old ones to delete.';

create table orderwheel.verify_pending (
  id       uuid not null,
  order_id uuid not null,
  was_new  boolean not null default false,
  noted_at timestamp with time zone not null default now(),
  alone    boolean not null default false,
  constraint verify_pending_pkey PRIMARY KEY (id)
) with (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=1000, fillfactor=90);
CREATE INDEX verify_pending_order ON orderwheel.verify_pending USING btree (order_id);
comment on table orderwheel.verify_pending is 'What the next verification looks at again although it lies before the watermark: messages that were open, dead, uncertain or not in order, and orders without a message.';
comment on column orderwheel.verify_pending.id is 'A message''s id, or an order''s that has no message. No foreign key: that the message is gone is what is to be noticed.';
comment on column orderwheel.verify_pending.order_id is 'The message''s order, or the same id: of an order, and of a message about none (alone).';
comment on column orderwheel.verify_pending.was_new is 'Of an order without a message: whether it was found so when it was minutes old, so that it never had one.';
comment on column orderwheel.verify_pending.noted_at is 'Since when it is here.';
comment on column orderwheel.verify_pending.alone is 'Whether it is a message about no order.';
comment on index orderwheel.verify_pending_order is 'Whether an order is still to be looked at again.';

create table orderwheel.verify_state (
  id            smallint not null default 1,
  watermark     uuid,
  claim         uuid,
  claimed_by    text,
  claimed_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  full_walk     jsonb,
  full_at       timestamp with time zone,
  requested_at  timestamp with time zone,
  requested_by  text,
  request_full  boolean not null default false,
  constraint verify_state_pkey PRIMARY KEY (id),
  constraint verify_state_claimed_by_check CHECK ((length(claimed_by) <= 200)),
  constraint verify_state_id_check CHECK ((id = 1)),
  constraint verify_state_requested_by_check CHECK ((length(requested_by) <= 200))
) with (fillfactor=50);
comment on table orderwheel.verify_state is 'One row: who verifies at the moment, and how far it has come.';
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
  id          uuid not null default uuidv7(),
  kind        text not null,
  subject     text not null default ''::text,
  text        text not null,
  raised_at   timestamp with time zone not null default now(),
  resolved_at timestamp with time zone,
  told_at     timestamp with time zone,
  told_end_at timestamp with time zone,
  try_after   timestamp with time zone not null default now(),
  tries       integer not null default 0,
  failure     text,
  constraint alerts_pkey PRIMARY KEY (id),
  constraint alerts_failure_check CHECK ((length(failure) <= 2000)),
  constraint alerts_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 40))),
  constraint alerts_subject_check CHECK ((length(subject) <= 200)),
  constraint alerts_text_check CHECK (((length(text) >= 1) AND (length(text) <= 2000))),
  constraint alerts_tries_check CHECK ((tries >= 0))
) with (fillfactor=80);
CREATE UNIQUE INDEX alerts_open ON orderwheel.alerts USING btree (kind, subject) WHERE (resolved_at IS NULL);
CREATE INDEX alerts_raised ON orderwheel.alerts USING btree (raised_at);
CREATE INDEX alerts_untold ON orderwheel.alerts USING btree (try_after) WHERE ((told_at IS NULL) OR ((resolved_at IS NOT NULL) AND (told_end_at IS NULL)));
comment on table orderwheel.alerts is 'What somebody had to be told of, once when it began and once when it was over. Closed ones are kept 90 days.';
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
comment on index orderwheel.alerts_open is 'One open alert of a kind and subject: raising it again changes that one.';
comment on index orderwheel.alerts_raised is 'Alerts by age, to list and to delete them.';
comment on index orderwheel.alerts_untold is 'Alerts that are still to be told to somebody.';

create table orderwheel.installation (
  one_row           boolean not null default true,
  system_identifier bigint,
  database_oid      oid not null,
  database_name     text not null,
  written_by        xid8 not null default pg_current_xact_id(),
  environment       text,
  owned_since       timestamp with time zone not null default now(),
  owned_by          text not null,
  constraint installation_pkey PRIMARY KEY (one_row),
  constraint installation_database_name_check CHECK (((length(database_name) >= 1) AND (length(database_name) <= 63))),
  constraint installation_environment_check CHECK (((length(environment) >= 1) AND (length(environment) <= 200))),
  constraint installation_one_row_check CHECK (one_row),
  constraint installation_owned_by_check CHECK (((length(owned_by) >= 1) AND (length(owned_by) <= 200)))
);
comment on table orderwheel.installation is 'Whose database this is. Targets are called only while this row fits where it is found: orderwheel owner shows it, orderwheel owner --take writes it anew.';
comment on column orderwheel.installation.one_row is 'There is one row at most.';
comment on column orderwheel.installation.system_identifier is 'Of the cluster (pg_control_system), which a standby shares; null: it could not be read when the row was written.';
comment on column orderwheel.installation.database_oid is 'Of the database: a copy inside the cluster has another.';
comment on column orderwheel.installation.database_name is 'Of the database.';
comment on column orderwheel.installation.written_by is 'The transaction that wrote this row, which is also its xmin until somebody copies the row: for servers that do not tell their identifier.';
comment on column orderwheel.installation.environment is 'The environment that owns it, by its name: ORDERWHEEL_ENVIRONMENT, or PLATFORM_PROJECT and PLATFORM_ENVIRONMENT; null: it has none.';
comment on column orderwheel.installation.owned_since is 'Since when.';
comment on column orderwheel.installation.owned_by is 'Who made it the owner: a process that found no row, or the person who took it.';

create table orderwheel.forgettings (
  id           uuid not null default uuidv7(),
  requested_by text not null,
  reason       text,
  even_open    boolean not null,
  started_at   timestamp with time zone not null default now(),
  salt         bytea,
  person       bytea,
  orders       integer not null default 0,
  refused      integer not null default 0,
  masked       integer not null default 0,
  finished_at  timestamp with time zone,
  constraint forgettings_pkey PRIMARY KEY (id),
  constraint forgettings_check CHECK ((((finished_at IS NULL) = (person IS NOT NULL)) AND ((person IS NULL) = (salt IS NULL)))),
  constraint forgettings_masked_check CHECK ((masked >= 0)),
  constraint forgettings_orders_check CHECK ((orders >= 0)),
  constraint forgettings_person_check CHECK ((octet_length(person) = 32)),
  constraint forgettings_reason_check CHECK ((length(reason) <= 2000)),
  constraint forgettings_refused_check CHECK ((refused >= 0)),
  constraint forgettings_requested_by_check CHECK ((length(requested_by) <= 200)),
  constraint forgettings_salt_check CHECK ((octet_length(salt) = 32))
);
comment on table orderwheel.forgettings is 'Whose personal data was removed on request, without saying whose: what was done, when and by whom.';
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
comment on index orderwheel.forgettings_pkey is 'Time-ordered.';

create table orderwheel.backlogs (
  target       text not null,
  counted_at   timestamp with time zone not null default now(),
  waiting      bigint,
  queued       bigint,
  active       bigint,
  retrying     bigint,
  dead_letters bigint,
  constraint backlogs_pkey PRIMARY KEY (target),
  constraint backlogs_active_check CHECK ((active >= 0)),
  constraint backlogs_check CHECK ((((waiting IS NULL) = (queued IS NULL)) AND ((waiting IS NULL) = (active IS NULL)) AND ((waiting IS NULL) = (retrying IS NULL)))),
  constraint backlogs_dead_letters_check CHECK ((dead_letters >= 0)),
  constraint backlogs_queued_check CHECK ((queued >= 0)),
  constraint backlogs_retrying_check CHECK ((retrying >= 0)),
  constraint backlogs_waiting_check CHECK ((waiting >= 0)),
  constraint backlogs_target_fkey FOREIGN KEY (target) REFERENCES orderwheel.targets(name) ON DELETE CASCADE
) with (fillfactor=50);
comment on table orderwheel.backlogs is 'Targets with more than 10 000 open deliveries or dead letters, counted once a minute by one worker, so that target_health need not.';
comment on column orderwheel.backlogs.target is 'The target.';
comment on column orderwheel.backlogs.counted_at is 'When they were counted.';
comment on column orderwheel.backlogs.waiting is 'Deliveries that waited for another delivery; null: 10 000 open ones at most, which are counted when somebody asks.';
comment on column orderwheel.backlogs.queued is 'Deliveries with a job that was not tried yet; null: see waiting.';
comment on column orderwheel.backlogs.active is 'Deliveries that had been being called for a second or more; null: see waiting.';
comment on column orderwheel.backlogs.retrying is 'Deliveries that were to be tried again; null: see waiting.';
comment on column orderwheel.backlogs.dead_letters is 'Dead letters nobody had decided on; null: 10 000 at most, which are counted when somebody asks.';
comment on constraint backlogs_check on orderwheel.backlogs is 'All open deliveries of a target are counted at once, or none.';
comment on constraint backlogs_target_fkey on orderwheel.backlogs is 'Counts are of a declared target.';
comment on index orderwheel.backlogs_pkey is 'One row for a target.';

create table orderwheel.messages (
  id         uuid not null,
  "position" bigint not null,
  order_id   uuid not null,
  kind       text not null,
  payload    jsonb not null,
  created_at timestamp with time zone not null,
  relayed_at timestamp with time zone not null default now(),
  targets    text[],
  constraint messages_pkey PRIMARY KEY (id),
  constraint messages_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 100))),
  constraint messages_targets_check CHECK ((cardinality(targets) <= 1000))
) partition by RANGE (id);
CREATE INDEX messages_order ON ONLY orderwheel.messages USING btree (order_id, "position");
comment on table orderwheel.messages is 'Everything that happened to an order and was told to its targets: the outbox''s history.';
comment on column orderwheel.messages.id is 'The outbox row''s id.';
comment on column orderwheel.messages."position" is 'The outbox row''s position: of two messages of an order, the lower happened first.';
comment on column orderwheel.messages.order_id is 'The order it happened to; the message''s own id: it is about none, and stands for itself.';
comment on column orderwheel.messages.kind is 'What happened, for example order.placed.';
comment on column orderwheel.messages.payload is 'What happened, in detail, beyond the order itself.';
comment on column orderwheel.messages.created_at is 'When it happened.';
comment on column orderwheel.messages.relayed_at is 'When its deliveries and jobs were written.';
comment on column orderwheel.messages.targets is 'The targets it was routed to when it was relayed; null: relayed by a version that did not say.';
comment on index orderwheel.messages_order is 'An order''s messages: its page, order_timeline, deleting it.';
comment on index orderwheel.messages_pkey is 'The message of a delivery: claims and the order''s page.';

create table orderwheel.deliveries (
  message_id    uuid not null,
  target        text not null,
  "position"    bigint not null,
  order_id      uuid not null,
  state         text not null,
  after         text[] not null default '{}'::text[],
  attempts      integer not null default 0,
  uncharged     integer not null default 0,
  created_at    timestamp with time zone not null default now(),
  started_at    timestamp with time zone,
  worker        text,
  settled_at    timestamp with time zone,
  last_fetch    integer not null default '-1'::integer,
  awaited       boolean not null default false,
  ask_first     boolean not null default false,
  lost_in_a_row integer not null default 0,
  edited        jsonb,
  edited_for    uuid,
  constraint deliveries_pkey PRIMARY KEY (message_id, target),
  constraint deliveries_attempts_check CHECK ((attempts >= 0)),
  constraint deliveries_check CHECK (((uncharged >= 0) AND (uncharged <= attempts))),
  constraint deliveries_check1 CHECK (((settled_at IS NULL) = (state = ANY (ARRAY['waiting'::text, 'queued'::text, 'active'::text, 'retrying'::text])))),
  constraint deliveries_lost_in_a_row_check CHECK ((lost_in_a_row >= 0)),
  constraint deliveries_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'queued'::text, 'active'::text, 'retrying'::text, 'delivered'::text, 'dead'::text, 'uncertain'::text, 'shed'::text, 'skipped'::text, 'cancelled'::text]))),
  constraint deliveries_target_check CHECK (((length(target) >= 1) AND (length(target) <= 40))),
  constraint deliveries_worker_check CHECK ((length(worker) <= 200))
) partition by RANGE (message_id);
CREATE INDEX deliveries_open ON ONLY orderwheel.deliveries USING btree (target, created_at, message_id) WHERE (settled_at IS NULL);
CREATE INDEX deliveries_order ON ONLY orderwheel.deliveries USING btree (order_id);
comment on table orderwheel.deliveries is 'One message for one target: state, attempts, result. A pg-boss job is how it is carried out.';
comment on column orderwheel.deliveries.message_id is 'The message. Also the job''s id in the target''s queue.';
comment on column orderwheel.deliveries.target is 'The target. Also the job''s queue.';
comment on column orderwheel.deliveries."position" is 'The message''s position.';
comment on column orderwheel.deliveries.order_id is 'The message''s order, repeated here to find an order''s deliveries; of a message about no order, the message''s id.';
comment on column orderwheel.deliveries.state is 'waiting: for another delivery · queued: has a job · active: has been being called for a second or more (before that, its job in pgboss is active) · retrying: has a job with a later start · delivered · dead: given up, see dead_letters · uncertain: may have been told, a person decides · shed: never told, too much was open for its droppable target · skipped · cancelled.';
comment on column orderwheel.deliveries.after is 'The targets that have to be told of the same message first.';
comment on column orderwheel.deliveries.attempts is 'How often it was tried, not counting the attempt under way.';
comment on column orderwheel.deliveries.uncharged is 'How many of those attempts do not count against the limit: handed back at a worker''s stop, or made while the target''s circuit was not closed.';
comment on column orderwheel.deliveries.created_at is 'When the message was relayed.';
comment on column orderwheel.deliveries.started_at is 'When the last attempt began.';
comment on column orderwheel.deliveries.worker is 'The worker process that made the last attempt: host and pid.';
comment on column orderwheel.deliveries.settled_at is 'When it reached a final state; null while it is open.';
comment on column orderwheel.deliveries.last_fetch is 'The job''s retry_count at the last attempt. When the job is fetched again and has skipped one, an attempt was lost with its worker.';
comment on column orderwheel.deliveries.awaited is 'Whether another delivery of the order waits, or has waited, for this one.';
comment on column orderwheel.deliveries.ask_first is 'Whether an attempt may have reached the target, and nobody has asked it since: its lookup, if it has one, is asked before it is called again.';
comment on column orderwheel.deliveries.lost_in_a_row is 'Workers that died or lost the job while they held it, since the last call that ended. With 2 it is called alone; 3: it is being called alone, or was when its worker died, and is given up.';
comment on column orderwheel.deliveries.edited is 'What an operator wrote instead of what the configuration makes of the order; null: nothing. Kept after it was sent, to begin the next correction with, until the delivery ends. May hold personal data.';
comment on column orderwheel.deliveries.edited_for is 'The dead letter it was written for: whatever revives the delivery from that letter sends it, and what dies after that is another letter. Null: none, or written by a version that did not say.';
comment on constraint deliveries_check on orderwheel.deliveries is 'Attempts that are not charged are attempts.';
comment on constraint deliveries_check1 on orderwheel.deliveries is 'Exactly the final states have a time at which they were reached.';
comment on index orderwheel.deliveries_open is 'Open deliveries of a target, the oldest first: target_health, stuck_deliveries, the sweep for what waits for nothing, verify. Small while backlogs are: settled ones leave it. Does not name state, so that an update of state alone stays in its page (HOT).';
comment on index orderwheel.deliveries_order is 'An order''s deliveries: its page, what waits in it and for it (relay, settling), deleting it.';
comment on index orderwheel.deliveries_pkey is 'One delivery of a message for a target; claims and settlements look it up.';

create table orderwheel.delivery_attempts (
  message_id  uuid not null,
  target      text not null,
  number      integer not null,
  started_at  timestamp with time zone not null,
  duration_ms integer,
  outcome     text not null,
  reason      text,
  answer      jsonb,
  worker      text not null,
  charged     boolean not null default true,
  constraint delivery_attempts_pkey PRIMARY KEY (message_id, target, number),
  constraint delivery_attempts_duration_ms_check CHECK ((duration_ms >= 0)),
  constraint delivery_attempts_number_check CHECK ((number > 0)),
  constraint delivery_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['delivered'::text, 'try-again'::text, 'give-up'::text, 'uncertain'::text, 'handed-back'::text, 'abandoned'::text]))),
  constraint delivery_attempts_reason_check CHECK ((length(reason) <= 2000)),
  constraint delivery_attempts_worker_check CHECK ((length(worker) <= 200))
) partition by RANGE (message_id);
comment on table orderwheel.delivery_attempts is 'One try at a delivery, written when it ended.';
comment on column orderwheel.delivery_attempts.message_id is 'The delivery''s message.';
comment on column orderwheel.delivery_attempts.target is 'The delivery''s target.';
comment on column orderwheel.delivery_attempts.number is '1 for the first try.';
comment on column orderwheel.delivery_attempts.started_at is 'When the job was claimed.';
comment on column orderwheel.delivery_attempts.duration_ms is 'How long the call took; null when its worker died.';
comment on column orderwheel.delivery_attempts.outcome is 'delivered · try-again · give-up · uncertain · handed-back: the worker stopped · abandoned: the worker died or lost the job.';
comment on column orderwheel.delivery_attempts.reason is 'Why it was not delivered.';
comment on column orderwheel.delivery_attempts.answer is 'What the target answered: {status, text, headers, code}: the first 4 KiB, the headers that matter, and the error''s code, or the system''s where nobody answered.';
comment on column orderwheel.delivery_attempts.worker is 'The worker process: host and pid.';
comment on column orderwheel.delivery_attempts.charged is 'Whether it counts against the limit of attempts.';
comment on index orderwheel.delivery_attempts_pkey is 'A delivery''s attempts, in order.';

create table orderwheel.dropped_history (
  until      timestamp with time zone not null,
  dropped_at timestamp with time zone not null default now(),
  constraint dropped_history_pkey PRIMARY KEY (until),
  constraint dropped_history_until_check CHECK ((until > '2020-01-01 00:00:00+00'::timestamp with time zone))
);
comment on table orderwheel.dropped_history is 'Months of messages, deliveries and delivery_attempts that retention has dropped. Before the latest, history is not complete.';
comment on column orderwheel.dropped_history.until is 'The end of the month.';
comment on column orderwheel.dropped_history.dropped_at is 'When it was dropped.';

create table orderwheel.order_files (
  order_id     uuid not null,
  target       text not null,
  message_id   uuid not null,
  name         text not null,
  content_type text not null,
  bytes        bytea not null,
  made_at      timestamp with time zone not null default now(),
  constraint order_files_pkey PRIMARY KEY (order_id, target),
  constraint order_files_bytes_check CHECK ((octet_length(bytes) <= 10485760)),
  constraint order_files_content_type_check CHECK (((length(content_type) >= 3) AND (length(content_type) <= 100))),
  constraint order_files_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint order_files_target_check CHECK (((length(target) >= 1) AND (length(target) <= 64))),
  constraint order_files_order_id_fkey FOREIGN KEY (order_id) REFERENCES orderwheel.orders(id) ON DELETE CASCADE
);
comment on table orderwheel.order_files is 'Files that targets made of orders, receipts: the last one of each target. Grows with the orders, and goes with them.';
comment on column orderwheel.order_files.order_id is 'The order. One of these rows goes when its order does.';
comment on column orderwheel.order_files.target is 'Who made it: `receipt`.';
comment on column orderwheel.order_files.message_id is 'The message it was made for. No foreign key: history is dropped earlier than orders.';
comment on column orderwheel.order_files.name is 'What a download is called: `receipt-WEB-10042.pdf`.';
comment on column orderwheel.order_files.content_type is 'Media type: `application/pdf`.';
comment on column orderwheel.order_files.bytes is 'The file, at most 10 MiB. Stored out of line and as it is: PDFs are compressed already.';
comment on column orderwheel.order_files.made_at is 'When its delivery was settled.';
comment on constraint order_files_order_id_fkey on orderwheel.order_files is 'A file goes with its order.';
comment on constraint order_files_pkey on orderwheel.order_files is 'One file of an order and target.';

create table orderwheel.payments (
  order_id      uuid not null,
  external_id   text not null,
  state         text not null default 'pending'::text,
  provider      text not null,
  mode          text not null,
  token         text,
  reference     text,
  reason        text,
  code          text,
  attempts      integer not null default 1,
  begun_at      timestamp with time zone not null default now(),
  claimed_until timestamp with time zone,
  try_after     timestamp with time zone not null default now(),
  settled_at    timestamp with time zone,
  became        text,
  constraint payments_pkey PRIMARY KEY (order_id),
  constraint payments_attempts_check CHECK ((attempts > 0)),
  constraint payments_became_check CHECK ((became = ANY (ARRAY['captured'::text, 'voided'::text, 'refunded'::text]))),
  constraint payments_charged CHECK (((state = ANY (ARRAY['authorized'::text, 'captured'::text])) = (reference IS NOT NULL))),
  constraint payments_claimed CHECK (((state = 'pending'::text) OR (claimed_until IS NULL))),
  constraint payments_code_check CHECK (((length(code) >= 1) AND (length(code) <= 64))),
  constraint payments_external_id_check CHECK (((length(external_id) >= 1) AND (length(external_id) <= 64))),
  constraint payments_mode_check CHECK ((mode = ANY (ARRAY['authorise'::text, 'capture'::text]))),
  constraint payments_provider_check CHECK (((length(provider) >= 1) AND (length(provider) <= 64))),
  constraint payments_reason_check CHECK ((length(reason) <= 2000)),
  constraint payments_reference_check CHECK (((length(reference) >= 1) AND (length(reference) <= 255))),
  constraint payments_settled CHECK (((state = 'pending'::text) = (settled_at IS NULL))),
  constraint payments_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'authorized'::text, 'captured'::text, 'declined'::text]))),
  constraint payments_token CHECK (((state = 'pending'::text) = (token IS NOT NULL))),
  constraint payments_token_check CHECK (((length(token) >= 1) AND (length(token) <= 255))),
  constraint payments_order_id_fkey FOREIGN KEY (order_id) REFERENCES orderwheel.orders(id) ON DELETE CASCADE
) with (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=1000, fillfactor=80);
CREATE INDEX payments_number ON orderwheel.payments USING btree (external_id, order_id);
CREATE INDEX payments_pending ON orderwheel.payments USING btree (try_after) WHERE (state = 'pending'::text);
comment on table orderwheel.payments is 'Charges made while orders were placed (payment.token), one row for such an order. An order that was paid elsewhere has none. Grows with the orders, and goes with them.';
comment on column orderwheel.payments.order_id is 'The order. Its id is the key under which the gateway is asked, each time.';
comment on column orderwheel.payments.external_id is 'The storefront''s order number, which the order gives up when it is declined, so that the buyer can try again.';
comment on column orderwheel.payments.state is 'pending: not known, the gateway is being asked or will be · authorized · captured · declined. As the charge was answered: what was captured, voided or refunded later are deliveries of the target payment.';
comment on column orderwheel.payments.provider is 'The gateway, as the configuration calls it.';
comment on column orderwheel.payments.mode is 'authorise: the amount is held and captured later · capture: it is taken at once.';
comment on column orderwheel.payments.token is 'What stands for the card: a secret, kept until it is known whether it was charged.';
comment on column orderwheel.payments.reference is 'What the gateway calls the charge.';
comment on column orderwheel.payments.reason is 'Why it was declined, as the buyer was told; or why it is not known yet.';
comment on column orderwheel.payments.code is 'The gateway''s code for a decline.';
comment on column orderwheel.payments.attempts is 'How often somebody began to ask the gateway. Fences off a process that was frozen meanwhile.';
comment on column orderwheel.payments.begun_at is 'When it was begun.';
comment on column orderwheel.payments.claimed_until is 'Until when whoever is asking the gateway keeps others from it; null: nobody is.';
comment on column orderwheel.payments.try_after is 'When a relay asks the gateway again, if it is still pending; infinity: by itself it does not, a person decides (orderwheel payments).';
comment on column orderwheel.payments.settled_at is 'When it was known.';
comment on column orderwheel.payments.became is 'What became of the charge, written down before the history that says so is dropped (keep_endings); null: the deliveries of the target payment say it, if anything did.';
comment on constraint payments_charged on orderwheel.payments is 'What was charged has the gateway''s number.';
comment on constraint payments_claimed on orderwheel.payments is 'Nobody asks about what is known.';
comment on constraint payments_order_id_fkey on orderwheel.payments is 'A payment goes with its order.';
comment on constraint payments_pkey on orderwheel.payments is 'One charge for an order.';
comment on constraint payments_settled on orderwheel.payments is 'What is known was settled at some time.';
comment on constraint payments_token on orderwheel.payments is 'What the card was charged with is kept until that is known, and no longer.';
comment on index orderwheel.payments_number is 'Finds a declined order by the number that it gave up, and an order''s payment for its story.';
comment on index orderwheel.payments_pending is 'What a relay has to ask about.';

create table orderwheel.link_keys (
  purpose text not null,
  key     bytea not null,
  made_at timestamp with time zone not null default now(),
  constraint link_keys_pkey PRIMARY KEY (purpose),
  constraint link_keys_key_check CHECK ((octet_length(key) = 32)),
  constraint link_keys_purpose_check CHECK ((purpose = 'status'::text))
);
comment on table orderwheel.link_keys is 'The secret key that signs the links buyers get (links.status of an order). Write another key and restart the api processes, and every link that was given out is void.';
comment on column orderwheel.link_keys.purpose is 'What is signed with it.';
comment on column orderwheel.link_keys.key is 'Random. Whoever knows it can make the link of any order whose id they know.';
comment on column orderwheel.link_keys.made_at is 'When it was made.';
comment on constraint link_keys_pkey on orderwheel.link_keys is 'One key for a purpose.';

create table orderwheel.audit_chain (
  "position" bigint not null,
  at         timestamp with time zone not null,
  kind       text not null,
  record     uuid,
  details    jsonb not null default '{}'::jsonb,
  digest     bytea,
  previous   bytea not null,
  hash       bytea not null,
  constraint audit_chain_pkey PRIMARY KEY ("position"),
  constraint audit_chain_details_check CHECK ((octet_length((details)::text) <= 4096)),
  constraint audit_chain_digest_check CHECK ((octet_length(digest) = 32)),
  constraint audit_chain_hash_check CHECK ((octet_length(hash) = 32)),
  constraint audit_chain_kind_check CHECK ((kind = ANY (ARRAY['begun'::text, 'action'::text, 'masked'::text, 'told'::text, 'forgotten'::text, 'removed'::text]))),
  constraint audit_chain_position_check CHECK (("position" > 0)),
  constraint audit_chain_previous_check CHECK ((octet_length(previous) = 32))
);
CREATE INDEX audit_chain_record ON orderwheel.audit_chain USING btree (record, "position");
CREATE INDEX audit_chain_removed ON orderwheel.audit_chain USING btree ("position") WHERE (kind = 'removed'::text);
comment on table orderwheel.audit_chain is 'Append-only: an entry for each row of audit_log and each message an audit target was told, each with the hash of the one before. Never deleted. See docs/audit-log.md.';
comment on column orderwheel.audit_chain."position" is '1, 2, 3 … without a gap.';
comment on column orderwheel.audit_chain.at is 'When it was done or entered.';
comment on column orderwheel.audit_chain.kind is 'begun: the first entry · action: a row of audit_log · masked: forgetting took texts from that row · told: an audit target was told · forgotten: an order lost its personal data · removed: the retention deleted.';
comment on column orderwheel.audit_chain.record is 'The row of audit_log (action, masked) or the order (told, forgotten); null: a message about no order was told, of which there is no digest.';
comment on column orderwheel.audit_chain.details is 'Nothing personal. begun: chain, a random name · action, masked: kept, a digest: kept_digest() · told: target, message, kind, externalId, total, currency, payload (a digest) · removed: of, until, count.';
comment on column orderwheel.audit_chain.digest is 'SHA-256 of a salt and of what it is about: the row of audit_log, the order''s document; of a forgotten order, what is left of it, without a salt.';
comment on column orderwheel.audit_chain.previous is 'The hash of the entry before; of the first, zeros.';
comment on column orderwheel.audit_chain.hash is 'SHA-256 of position, at, kind, record, details, digest and previous: entry_hash().';
comment on constraint audit_chain_pkey on orderwheel.audit_chain is 'No two entries continue the same one.';
comment on index orderwheel.audit_chain_record is 'The entries about a record or an order.';
comment on index orderwheel.audit_chain_removed is 'What the retention deleted.';

create table orderwheel.audit_salts (
  "position" bigint not null,
  order_id   uuid not null,
  salt       uuid not null,
  constraint audit_salts_pkey PRIMARY KEY ("position"),
  constraint audit_salts_position_check CHECK (("position" > 0)),
  constraint audit_salts_order_id_fkey FOREIGN KEY (order_id) REFERENCES orderwheel.orders(id) ON DELETE CASCADE
);
CREATE INDEX audit_salts_order ON orderwheel.audit_salts USING btree (order_id);
comment on table orderwheel.audit_salts is 'Salts of the digests of orders in audit_chain. One goes with its order, or with the person who is forgotten: then nobody can guess what the digest was of.';
comment on column orderwheel.audit_salts."position" is 'The entry. No foreign key: an entry that is missing has to be found, not cascaded.';
comment on column orderwheel.audit_salts.order_id is 'The order.';
comment on column orderwheel.audit_salts.salt is '122 random bits.';
comment on constraint audit_salts_order_id_fkey on orderwheel.audit_salts is 'A salt goes with its order.';
comment on constraint audit_salts_pkey on orderwheel.audit_salts is 'One of each entry.';
comment on index orderwheel.audit_salts_order is 'The salts of an order, to be deleted with it.';

create table orderwheel.reports (
  id           uuid not null,
  api_key_id   uuid not null,
  requested_by text not null,
  kind         text not null,
  format       text not null,
  period_from  timestamp with time zone not null,
  period_to    timestamp with time zone not null,
  requested_at timestamp with time zone not null default now(),
  attempt      uuid,
  begun_at     timestamp with time zone,
  orders       bigint not null default 0,
  bytes        bigint not null default 0,
  sums         jsonb,
  digest       bytea,
  made_at      timestamp with time zone,
  expires_at   timestamp with time zone,
  deleted_at   timestamp with time zone,
  emptied_at   timestamp with time zone,
  constraint reports_pkey PRIMARY KEY (id),
  constraint reports_begun CHECK (((attempt IS NULL) = (begun_at IS NULL))),
  constraint reports_bytes_check CHECK ((bytes >= 0)),
  constraint reports_digest_check CHECK ((octet_length(digest) = 32)),
  constraint reports_format_check CHECK ((format = ANY (ARRAY['csv'::text, 'pdf'::text]))),
  constraint reports_kind_check CHECK ((kind = 'orders'::text)),
  constraint reports_made CHECK (
CASE
    WHEN (made_at IS NULL) THEN ((sums IS NULL) AND (digest IS NULL) AND (expires_at IS NULL))
    ELSE ((attempt IS NOT NULL) AND (sums IS NOT NULL) AND (digest IS NOT NULL) AND (expires_at IS NOT NULL))
END),
  constraint reports_orders_check CHECK ((orders >= 0)),
  constraint reports_period CHECK ((period_from < period_to)),
  constraint reports_requested_by_check CHECK (((length(requested_by) >= 1) AND (length(requested_by) <= 200))),
  constraint reports_sums_check CHECK ((octet_length((sums)::text) <= 65536))
) with (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=1000, fillfactor=50);
CREATE INDEX reports_of_key ON orderwheel.reports USING btree (api_key_id, expires_at) WHERE (emptied_at IS NULL);
CREATE INDEX reports_to_empty ON orderwheel.reports USING btree (LEAST(deleted_at, expires_at)) WHERE (emptied_at IS NULL);
CREATE INDEX reports_to_forget ON orderwheel.reports USING btree (COALESCE(expires_at, requested_at)) WHERE (emptied_at IS NOT NULL);
comment on table orderwheel.reports is 'Reports that were asked for with POST /reports. A report is a message (report.requested) about no order: its delivery to the target reports is the making of it. Files expire (reportsDays); the rows go 90 days later. No personal data.';
comment on column orderwheel.reports.id is 'The id of the message that asked for it, and of its delivery. No foreign key: history is dropped earlier.';
comment on column orderwheel.reports.api_key_id is 'The key that asked. How many it may have waiting is limited.';
comment on column orderwheel.reports.requested_by is 'The name of that key.';
comment on column orderwheel.reports.kind is 'What it is about: orders.';
comment on column orderwheel.reports.format is 'csv or pdf.';
comment on column orderwheel.reports.period_from is 'Orders that were received at this time or later.';
comment on column orderwheel.reports.period_to is 'Orders that were received before this time.';
comment on column orderwheel.reports.requested_at is 'When it was asked for.';
comment on column orderwheel.reports.attempt is 'The attempt that is, or was the last, to make it: only its pieces count. Each attempt begins anew under another one, which fences off a worker that lost the report to another. Null: none; deleted, or given up, while it was not made.';
comment on column orderwheel.reports.begun_at is 'When that attempt began.';
comment on column orderwheel.reports.orders is 'How many orders are in it so far; when it is made, in all.';
comment on column orderwheel.reports.bytes is 'How long it is so far; when it is made, in all.';
comment on column orderwheel.reports.sums is 'By currency, of orders that stand: [{"currency", "orders", "cancelled", "unpaid", "tax", "total"}]. Null: not made.';
comment on column orderwheel.reports.digest is 'SHA-256 of the file. Null: not made.';
comment on column orderwheel.reports.made_at is 'When it was ready. Null: not yet, or never; its delivery says which.';
comment on column orderwheel.reports.expires_at is 'Until when it can be downloaded. Its pieces are deleted an hour later.';
comment on column orderwheel.reports.deleted_at is 'When it was deleted: its pieces are gone or going, nobody makes it any more, and the row stays as long as it would have. Null: it was not.';
comment on column orderwheel.reports.emptied_at is 'When upkeep found that nothing of it is left to delete, and nobody is on the way to make it. Null: pieces may be there, or come.';
comment on constraint reports_begun on orderwheel.reports is 'An attempt began at some time.';
comment on constraint reports_made on orderwheel.reports is 'What is known of a report that is made is known of no other.';
comment on constraint reports_period on orderwheel.reports is 'A period has a length.';
comment on constraint reports_pkey on orderwheel.reports is 'One row for a report.';
comment on index orderwheel.reports_of_key is 'What a key waits for and what it keeps, when it asks for another.';
comment on index orderwheel.reports_to_empty is 'Whose pieces upkeep deletes next; by null, those that were not made yet.';
comment on index orderwheel.reports_to_forget is 'Which rows upkeep deletes next.';

create table orderwheel.report_chunks (
  report_id uuid not null,
  attempt   uuid not null,
  number    integer not null,
  bytes     bytea not null,
  constraint report_chunks_pkey PRIMARY KEY (report_id, attempt, number),
  constraint report_chunks_bytes_check CHECK (((octet_length(bytes) >= 1) AND (octet_length(bytes) <= 262144))),
  constraint report_chunks_number_check CHECK ((number >= 0)),
  constraint report_chunks_report_id_fkey FOREIGN KEY (report_id) REFERENCES orderwheel.reports(id) ON DELETE CASCADE
);
comment on table orderwheel.report_chunks is 'The files of reports in pieces of 256 KiB, the last one shorter: written and read piece by piece, in transactions of a moment. Grows with each report, and goes when it expires.';
comment on column orderwheel.report_chunks.report_id is 'The report.';
comment on column orderwheel.report_chunks.attempt is 'Which attempt wrote it: see reports.attempt. Those of another attempt are debris, deleted by the next attempt or by upkeep.';
comment on column orderwheel.report_chunks.number is '0, 1, 2 …: the piece that begins at byte number * 262144.';
comment on column orderwheel.report_chunks.bytes is 'A piece of the file.';
comment on constraint report_chunks_pkey on orderwheel.report_chunks is 'One piece at a place of an attempt.';
comment on constraint report_chunks_report_id_fkey on orderwheel.report_chunks is 'Pieces go with their report.';

create table orderwheel.shedding (
  target   text not null,
  max_open integer,
  first_at timestamp with time zone,
  began_at timestamp with time zone,
  ended_at timestamp with time zone,
  shed     bigint not null default 0,
  constraint shedding_pkey PRIMARY KEY (target),
  constraint shedding_check CHECK (((ended_at IS NULL) OR (began_at IS NOT NULL))),
  constraint shedding_max_open_check CHECK (((max_open >= 1) AND (max_open <= 100000))),
  constraint shedding_shed_check CHECK ((shed >= 0)),
  constraint shedding_target_fkey FOREIGN KEY (target) REFERENCES orderwheel.targets(name) ON DELETE CASCADE
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, fillfactor=50);
comment on table orderwheel.shedding is 'Droppable targets: whether they shed now, and how much they ever did. A row for each target that was ever droppable.';
comment on column orderwheel.shedding.target is 'The target.';
comment on column orderwheel.shedding.max_open is 'So many open deliveries, and further ones are shed until half as many are open. Null: it is not droppable any more.';
comment on column orderwheel.shedding.first_at is 'When a delivery was shed for the first time; null: none was.';
comment on column orderwheel.shedding.began_at is 'When it last began to shed; null: it never did.';
comment on column orderwheel.shedding.ended_at is 'When it last ended; null while it sheds, and when it never did.';
comment on column orderwheel.shedding.shed is 'Deliveries that were ever shed, those included that were replayed.';
comment on constraint shedding_check on orderwheel.shedding is 'What ended began.';
comment on constraint shedding_target_fkey on orderwheel.shedding is 'Only a declared target sheds.';
comment on index orderwheel.shedding_pkey is 'One row for a target.';

CREATE OR REPLACE FUNCTION orderwheel.history_since()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (SELECT max(dropped_history.until) AS max FROM orderwheel.dropped_history);
comment on function orderwheel.history_since() is 'Since when no message, delivery or attempt has been dropped by retention: what is older may lack its history without being lost. Null: since ever.';

CREATE OR REPLACE FUNCTION orderwheel.entry_hash(entry orderwheel.audit_chain)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN sha256(convert_to(((((((orderwheel.netstring(((entry)."position")::text) || orderwheel.netstring(orderwheel.entry_time((entry).at))) || orderwheel.netstring((entry).kind)) || orderwheel.netstring(((entry).record)::text)) || orderwheel.netstring(((entry).details)::text)) || orderwheel.netstring(encode((entry).digest, 'hex'::text))) || orderwheel.netstring(encode((entry).previous, 'hex'::text))), 'UTF8'::name));
comment on function orderwheel.entry_hash(orderwheel.audit_chain) is 'What the hash of an entry has to be.';

CREATE OR REPLACE FUNCTION orderwheel.record_digest(record orderwheel.audit_log)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN sha256(convert_to((((((((orderwheel.netstring(((record).salt)::text) || orderwheel.netstring(((record).id)::text)) || orderwheel.netstring(orderwheel.entry_time((record).at))) || orderwheel.netstring((record).who)) || orderwheel.netstring((record).action)) || orderwheel.netstring((record).subject)) || orderwheel.netstring((record).reason)) || orderwheel.netstring(((record).details)::text)), 'UTF8'::name));
comment on function orderwheel.record_digest(orderwheel.audit_log) is 'What the digest of a row of audit_log has to be, as the row is now.';

CREATE OR REPLACE FUNCTION orderwheel.chain_entries(entries orderwheel.audit_chain[])
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
declare
  entry  orderwheel.audit_chain;
  linked orderwheel.audit_chain[] := '{}';
  tip    record;
  n      bigint;
  hash   bytea;
begin
  perform pg_advisory_xact_lock(hashtext('orderwheel'), hashtext('audit chain'));
  select c.position, c.hash into tip from orderwheel.audit_chain c order by c.position desc limit 1;
  n := coalesce(tip.position, 0);
  hash := coalesce(tip.hash, decode(repeat('00', 32), 'hex'));
  foreach entry in array entries loop
    n := n + 1;
    entry.position := n;
    entry.previous := hash;
    hash := orderwheel.entry_hash(entry);
    entry.hash := hash;
    linked := linked || entry;
  end loop;
  insert into orderwheel.audit_chain select * from unnest(linked);
  return coalesce(tip.position, 0);
end
$function$;
comment on function orderwheel.chain_entries(orderwheel.audit_chain[]) is 'Appends entries without position and hash, in this order; answers the position before the first of them. The last thing a transaction does: it holds the chain''s end until then.';

CREATE OR REPLACE FUNCTION orderwheel.kept_digest(record orderwheel.audit_log)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN CASE WHEN ((record).kept_salt IS NOT NULL) THEN sha256(convert_to((((((orderwheel.netstring(((record).kept_salt)::text) || orderwheel.netstring(((record).id)::text)) || orderwheel.netstring(orderwheel.entry_time((record).at))) || orderwheel.netstring((record).who)) || orderwheel.netstring((record).action)) || orderwheel.netstring((record).subject)), 'UTF8'::name)) ELSE NULL::bytea END;
comment on function orderwheel.kept_digest(orderwheel.audit_log) is 'Digest of what forgetting leaves of a row of audit_log as it was; null: the row has no salt for it.';

create view orderwheel.order_timeline as
 SELECT o.id AS order_id,
    o.external_id,
    o.received_at AS at,
    1 AS step,
    'order received'::text AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    NULL::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM orderwheel.orders o
  WHERE (NOT (EXISTS ( SELECT
           FROM orderwheel.payments p
          WHERE ((p.order_id = o.id) AND (p.state = 'declined'::text)))))
UNION ALL
 SELECT o.id AS order_id,
    p.external_id,
    o.received_at AS at,
    1 AS step,
    'order received'::text AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    NULL::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.payments p
     JOIN orderwheel.orders o ON ((o.id = p.order_id)))
  WHERE (p.state = 'declined'::text)
UNION ALL
 SELECT m.order_id,
    o.external_id,
    m.created_at AS at,
    2 AS step,
    m.kind AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    NULL::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.messages m
     LEFT JOIN orderwheel.orders o ON ((o.id = m.order_id)))
  WHERE (NOT (EXISTS ( SELECT
           FROM orderwheel.payments p
          WHERE ((p.order_id = m.order_id) AND (p.state = 'declined'::text)))))
UNION ALL
 SELECT m.order_id,
    p.external_id,
    m.created_at AS at,
    2 AS step,
    m.kind AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    NULL::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.payments p
     JOIN orderwheel.messages m ON ((m.order_id = p.order_id)))
  WHERE (p.state = 'declined'::text)
UNION ALL
 SELECT b.order_id,
    o.external_id,
    b.created_at AS at,
    2 AS step,
    b.kind AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    COALESCE(('not relayed: '::text || orderwheel.without_person(b.refusal, o.document)), 'not relayed yet'::text) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.outbox b
     JOIN orderwheel.orders o ON ((o.id = b.order_id)))
  WHERE (NOT (EXISTS ( SELECT
           FROM orderwheel.payments p
          WHERE ((p.order_id = b.order_id) AND (p.state = 'declined'::text)))))
UNION ALL
 SELECT b.order_id,
    p.external_id,
    b.created_at AS at,
    2 AS step,
    b.kind AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    COALESCE(('not relayed: '::text || orderwheel.without_person(b.refusal, o.document)), 'not relayed yet'::text) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM ((orderwheel.payments p
     JOIN orderwheel.outbox b ON ((b.order_id = p.order_id)))
     JOIN orderwheel.orders o ON ((o.id = p.order_id)))
  WHERE (p.state = 'declined'::text)
UNION ALL
 SELECT b.id AS order_id,
    NULL::text AS external_id,
    b.created_at AS at,
    2 AS step,
    b.kind AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    COALESCE(('not relayed: '::text || orderwheel.without_person(b.refusal, '{}'::jsonb)), 'not relayed yet'::text) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM orderwheel.outbox b
  WHERE ((b.order_id IS NULL) AND (b.kind !~~ 'order.%'::text))
UNION ALL
 SELECT d.order_id,
    o.external_id,
    a.started_at AS at,
    3 AS step,
    a.outcome AS event,
    a.target,
    a.number AS attempt,
    orderwheel.without_person(a.reason, o.document) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM ((orderwheel.delivery_attempts a
     JOIN orderwheel.deliveries d USING (message_id, target))
     LEFT JOIN orderwheel.orders o ON ((o.id = d.order_id)))
UNION ALL
 SELECT d.order_id,
    o.external_id,
    d.started_at AS at,
    3 AS step,
    'attempt under way'::text AS event,
    d.target,
    (d.attempts + 1) AS attempt,
    NULL::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.deliveries d
     LEFT JOIN orderwheel.orders o ON ((o.id = d.order_id)))
  WHERE (d.state = 'active'::text)
UNION ALL
 SELECT l.order_id,
    o.external_id,
    l.died_at AS at,
    4 AS step,
    'dead letter'::text AS event,
    l.target,
    NULL::integer AS attempt,
    orderwheel.without_person(l.reason, o.document) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.dead_letters l
     LEFT JOIN orderwheel.orders o ON ((o.id = l.order_id)))
UNION ALL
 SELECT l.order_id,
    o.external_id,
    l.resolved_at AS at,
    5 AS step,
    ('dead letter '::text || l.resolution) AS event,
    l.target,
    NULL::integer AS attempt,
    orderwheel.without_person(l.comment, o.document) AS detail,
    l.resolved_by AS who,
    l.replay_id
   FROM (orderwheel.dead_letters l
     LEFT JOIN orderwheel.orders o ON ((o.id = l.order_id)))
  WHERE (l.resolved_at IS NOT NULL)
UNION ALL
 SELECT p.order_id,
    p.external_id,
    COALESCE(p.settled_at, p.begun_at) AS at,
        CASE
            WHEN (p.settled_at IS NULL) THEN 2
            ELSE 1
        END AS step,
    ('payment '::text || p.state) AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    orderwheel.without_person(COALESCE(p.reason, ((p.provider || ' '::text) || p.reference)), o.document) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.payments p
     JOIN orderwheel.orders o ON ((o.id = p.order_id)))
UNION ALL
 SELECT d.order_id,
    o.external_id,
    d.settled_at AS at,
    4 AS step,
    'withdrawn'::text AS event,
    d.target,
    NULL::integer AS attempt,
    format('%s: the order was cancelled before %s was told of it'::text, m.kind, d.target) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM ((orderwheel.deliveries d
     JOIN orderwheel.messages m ON ((m.id = d.message_id)))
     JOIN orderwheel.orders o ON ((o.id = d.order_id)))
  WHERE (d.state = 'cancelled'::text)
UNION ALL
 SELECT d.order_id,
    o.external_id,
    d.settled_at AS at,
    4 AS step,
    'shed'::text AS event,
    d.target,
    NULL::integer AS attempt,
    format('%s: so much was open for %s that it was not told of this'::text, m.kind, d.target) AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM ((orderwheel.deliveries d
     JOIN orderwheel.messages m ON ((m.id = d.message_id)))
     LEFT JOIN orderwheel.orders o ON ((o.id = d.order_id)))
  WHERE (d.state = 'shed'::text)
UNION ALL
 SELECT m.id AS order_id,
    NULL::text AS external_id,
    a.at,
    6 AS step,
    ((replace(split_part(a.action, '.'::text, 2), '-'::text, ' '::text) || ' by '::text) || a.who) AS event,
    (a.details ->> 'target'::text) AS target,
    NULL::integer AS attempt,
    orderwheel.without_person(a.reason, '{}'::jsonb) AS detail,
    a.who,
    NULL::uuid AS replay_id
   FROM (orderwheel.audit_log a
     JOIN orderwheel.messages m ON (((a.subject = (m.id)::text) AND (m.order_id = m.id))))
  WHERE (a.action ~~ 'delivery.%'::text)
UNION ALL
 SELECT o.id AS order_id,
    o.external_id,
    a.at,
    6 AS step,
    ((replace(split_part(a.action, '.'::text, 2), '-'::text, ' '::text) || ' by '::text) || a.who) AS event,
    (a.details ->> 'target'::text) AS target,
    NULL::integer AS attempt,
    orderwheel.without_person(a.reason, o.document) AS detail,
    a.who,
    NULL::uuid AS replay_id
   FROM (orderwheel.audit_log a
     JOIN orderwheel.orders o ON ((a.subject = (o.id)::text)))
  WHERE (a.action ~~ 'delivery.%'::text)
UNION ALL
 SELECT o.id AS order_id,
    o.external_id,
    o.forgotten_at AS at,
    7 AS step,
    'personal data forgotten'::text AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    NULL::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM orderwheel.orders o
  WHERE ((o.forgotten_at IS NOT NULL) AND (NOT (EXISTS ( SELECT
           FROM orderwheel.payments p
          WHERE ((p.order_id = o.id) AND (p.state = 'declined'::text))))))
UNION ALL
 SELECT o.id AS order_id,
    p.external_id,
    o.forgotten_at AS at,
    7 AS step,
    'personal data forgotten'::text AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    NULL::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.payments p
     JOIN orderwheel.orders o ON ((o.id = p.order_id)))
  WHERE ((p.state = 'declined'::text) AND (o.forgotten_at IS NOT NULL))
UNION ALL
 SELECT o.id AS order_id,
    o.external_id,
    o.cancelled_at AS at,
    2 AS step,
    'order.cancelled'::text AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    'what was told of it is not kept any more'::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM orderwheel.orders o
  WHERE ((o.cancelled_at IS NOT NULL) AND (NOT (EXISTS ( SELECT
           FROM orderwheel.payments p
          WHERE ((p.order_id = o.id) AND (p.state = 'declined'::text))))) AND (NOT (EXISTS ( SELECT
           FROM orderwheel.messages m
          WHERE ((m.order_id = o.id) AND (m.kind = 'order.cancelled'::text))))))
UNION ALL
 SELECT o.id AS order_id,
    p.external_id,
    o.cancelled_at AS at,
    2 AS step,
    'order.cancelled'::text AS event,
    NULL::text AS target,
    NULL::integer AS attempt,
    'what was told of it is not kept any more'::text AS detail,
    NULL::text AS who,
    NULL::uuid AS replay_id
   FROM (orderwheel.payments p
     JOIN orderwheel.orders o ON ((o.id = p.order_id)))
  WHERE ((p.state = 'declined'::text) AND (o.cancelled_at IS NOT NULL) AND (NOT (EXISTS ( SELECT
           FROM orderwheel.messages m
          WHERE ((m.order_id = o.id) AND (m.kind = 'order.cancelled'::text))))));
comment on view orderwheel.order_timeline is 'One order''s whole story. Ask for one order_id or external_id, order by at, step. A message about no order is found by its id as order_id.';
comment on column orderwheel.order_timeline.order_id is 'The order; of a message about none, the message.';
comment on column orderwheel.order_timeline.external_id is 'The storefront''s order number, also of a declined order, which gave it up; null: a message about no order.';
comment on column orderwheel.order_timeline.at is 'When it happened.';
comment on column orderwheel.order_timeline.step is 'What comes first of two things with the same time.';
comment on column orderwheel.order_timeline.event is 'What happened: order received, payment captured, a message''s kind, an attempt''s outcome, withdrawn, shed, dead letter, what a person decided.';
comment on column orderwheel.order_timeline.target is 'The target concerned.';
comment on column orderwheel.order_timeline.attempt is 'The attempt''s number.';
comment on column orderwheel.order_timeline.detail is 'The reason, when there is one, without the customer''s name, address, e-mail and phone as the order has them (#).';
comment on column orderwheel.order_timeline.who is 'The operator or API key that decided on it; null: nobody had to.';
comment on column orderwheel.order_timeline.replay_id is 'The list it was replayed or discarded with (replays); null: none.';

create view orderwheel.stuck_deliveries as
 SELECT d.order_id,
    d.message_id,
    t.name AS target,
    d.state,
    d.attempts,
    d.created_at,
    d.started_at,
    (now() - d.created_at) AS open_for,
    why.because
   FROM (((orderwheel.targets t
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN ((t.paused_at IS NOT NULL) AND COALESCE((t.paused_until > now()), true)) THEN format('%s is paused by %s%s: %s'::text, t.name, t.paused_by, to_char((t.paused_until AT TIME ZONE 'utc'::text), '" until "YYYY-MM-DD HH24:MI"Z"'::text), t.pause_reason)
                    WHEN (t.circuit = ANY (ARRAY['open'::text, 'probing'::text])) THEN format('%s''s circuit is %s: %s'::text, t.name, t.circuit, orderwheel.without_person(t.circuit_reason, '{}'::jsonb))
                    WHEN (NOT (EXISTS ( SELECT
                       FROM orderwheel.slot_leases s
                      WHERE ((s.target = t.name) AND (s.renewed_at > (now() - '00:01:00'::interval)))))) THEN format('no worker calls %s'::text, t.name)
                    WHEN (NOT (EXISTS ( SELECT
                       FROM orderwheel.target_counts c
                      WHERE ((c.target = t.name) AND (c.period > (now() - '00:05:00'::interval)))))) THEN format('no call of %s has ended for 5 minutes'::text, t.name)
                    ELSE NULL::text
                END AS because
         OFFSET 0) target)
     CROSS JOIN LATERAL ( SELECT deliveries.message_id,
            deliveries.target,
            deliveries."position",
            deliveries.order_id,
            deliveries.state,
            deliveries.after,
            deliveries.attempts,
            deliveries.uncharged,
            deliveries.created_at,
            deliveries.started_at,
            deliveries.worker,
            deliveries.settled_at,
            deliveries.last_fetch,
            deliveries.awaited,
            deliveries.ask_first,
            deliveries.lost_in_a_row,
            deliveries.edited,
            deliveries.edited_for
           FROM orderwheel.deliveries
          WHERE ((deliveries.target = t.name) AND (deliveries.settled_at IS NULL) AND (deliveries.created_at < (now() - '00:15:00'::interval)))
          ORDER BY deliveries.created_at, deliveries.message_id
         LIMIT 1000) d)
     CROSS JOIN LATERAL ( SELECT
                CASE d.state
                    WHEN 'queued'::text THEN target.because
                    WHEN 'retrying'::text THEN COALESCE(target.because, ( SELECT format('failed %s times: %s'::text, d.attempts, orderwheel.failure_of(orderwheel.without_person(a.reason, o.document))) AS format
                       FROM (orderwheel.delivery_attempts a
                         LEFT JOIN orderwheel.orders o ON ((o.id = d.order_id)))
                      WHERE ((a.message_id = d.message_id) AND (a.target = d.target) AND (a.number = d.attempts))))
                    WHEN 'active'::text THEN
                    CASE
                        WHEN (d.started_at < (now() - '00:15:00'::interval)) THEN format('its call began at %s'::text, to_char((d.started_at AT TIME ZONE 'utc'::text), 'YYYY-MM-DD HH24:MI"Z"'::text))
                        ELSE NULL::text
                    END
                    WHEN 'waiting'::text THEN ( SELECT
                            CASE
                                WHEN (count(*) = 0) THEN 'waits for nothing'::text
                                ELSE min(format('waits for %s, which is uncertain: a person decides'::text, b.target)) FILTER (WHERE (b.state = 'uncertain'::text))
                            END AS min
                       FROM orderwheel.deliveries b
                      WHERE ((b.order_id = d.order_id) AND (((b.message_id = d.message_id) AND (b.target = ANY (d.after))) OR ((b."position" < d."position") AND (b.target = d.target))) AND (b.state <> ALL (ARRAY['delivered'::text, 'skipped'::text, 'shed'::text, 'cancelled'::text]))))
                    ELSE NULL::text
                END AS because
         OFFSET 0) why)
  WHERE (why.because IS NOT NULL)
UNION ALL
 SELECT w.order_id,
    w.message_id,
    w.target,
    w.state,
    w.attempts,
    w.created_at,
    w.started_at,
    (now() - w.created_at) AS open_for,
    format('waits for %s, which is dead: a person decides'::text, l.target) AS because
   FROM ((orderwheel.targets t
     CROSS JOIN LATERAL ( SELECT dead_letters.order_id,
            dead_letters.message_id,
            dead_letters.target
           FROM orderwheel.dead_letters
          WHERE ((dead_letters.target = t.name) AND (dead_letters.resolved_at IS NULL))
          ORDER BY dead_letters.died_at
         LIMIT 1000) l)
     CROSS JOIN LATERAL ( SELECT deliveries.message_id,
            deliveries.target,
            deliveries."position",
            deliveries.order_id,
            deliveries.state,
            deliveries.after,
            deliveries.attempts,
            deliveries.uncharged,
            deliveries.created_at,
            deliveries.started_at,
            deliveries.worker,
            deliveries.settled_at,
            deliveries.last_fetch,
            deliveries.awaited,
            deliveries.ask_first,
            deliveries.lost_in_a_row,
            deliveries.edited,
            deliveries.edited_for
           FROM orderwheel.deliveries
          WHERE ((deliveries.order_id = l.order_id) AND (deliveries.state = 'waiting'::text) AND (deliveries.created_at < (now() - '00:15:00'::interval)) AND (((deliveries.message_id = l.message_id) AND (l.target = ANY (deliveries.after))) OR ((deliveries.message_id <> l.message_id) AND (deliveries.target = l.target))))
         OFFSET 0) w);
comment on view orderwheel.stuck_deliveries is 'Deliveries open for more than 15 minutes that something holds up, and what: of each target the oldest 1000 that are open, and what waits for its oldest 1000 dead letters. Jobs that are missing are found by orderwheel verify.';
comment on column orderwheel.stuck_deliveries.order_id is 'The order; of a message about none, the message.';
comment on column orderwheel.stuck_deliveries.message_id is 'The message.';
comment on column orderwheel.stuck_deliveries.target is 'The target.';
comment on column orderwheel.stuck_deliveries.state is 'waiting, queued, active or retrying.';
comment on column orderwheel.stuck_deliveries.attempts is 'How often it was tried.';
comment on column orderwheel.stuck_deliveries.created_at is 'When the message was relayed.';
comment on column orderwheel.stuck_deliveries.started_at is 'When the last attempt began.';
comment on column orderwheel.stuck_deliveries.open_for is 'How long it has been open.';
comment on column orderwheel.stuck_deliveries.because is 'What holds it up: its target is paused, its circuit is open, no worker calls it; it fails; it waits for what a person has to decide on.';

create view orderwheel.target_health as
 SELECT t.name AS target,
        CASE
            WHEN o.more THEN GREATEST(o.waiting, b.waiting)
            ELSE o.waiting
        END AS waiting,
        CASE
            WHEN o.more THEN GREATEST(o.queued, b.queued)
            ELSE o.queued
        END AS queued,
        CASE
            WHEN o.more THEN GREATEST(o.active, b.active)
            ELSE o.active
        END AS active,
        CASE
            WHEN o.more THEN GREATEST(o.retrying, b.retrying)
            ELSE o.retrying
        END AS retrying,
    o.oldest_open,
        CASE
            WHEN l.more THEN GREATEST(l.dead_letters, b.dead_letters)
            ELSE l.dead_letters
        END AS dead_letters,
    t.circuit,
    t.circuit_since,
    orderwheel.without_person(t.circuit_reason, '{}'::jsonb) AS circuit_reason,
    t.probe_at,
    ((t.paused_at IS NOT NULL) AND COALESCE((t.paused_until > now()), true)) AS paused,
    t.paused_by,
    t.pause_reason,
    t.paused_until,
    COALESCE(t.concurrency_set, t.concurrency) AS concurrency,
        CASE
            WHEN t.rate_set THEN t.rate_set_max
            ELSE t.rate_max
        END AS rate_max,
        CASE
            WHEN t.rate_set THEN t.rate_set_per_seconds
            ELSE t.rate_per_seconds
        END AS rate_per_seconds,
    o.more AS open_estimated,
    l.more AS dead_letters_estimated,
        CASE
            WHEN ((o.more AND (b.waiting IS NOT NULL)) OR (l.more AND (b.dead_letters IS NOT NULL))) THEN b.counted_at
            ELSE NULL::timestamp with time zone
        END AS counted_at
   FROM (((orderwheel.targets t
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (oldest.state = 'waiting'::text)) AS waiting,
            count(*) FILTER (WHERE (oldest.state = 'queued'::text)) AS queued,
            count(*) FILTER (WHERE (oldest.state = 'active'::text)) AS active,
            count(*) FILTER (WHERE (oldest.state = 'retrying'::text)) AS retrying,
            min(oldest.created_at) AS oldest_open,
            (count(*) > 10000) AS more
           FROM ( SELECT d.state,
                    d.created_at
                   FROM orderwheel.deliveries d
                  WHERE ((d.target = t.name) AND (d.settled_at IS NULL))
                  ORDER BY d.created_at, d.message_id
                 LIMIT 10001) oldest) o)
     CROSS JOIN LATERAL ( SELECT count(*) AS dead_letters,
            (count(*) > 10000) AS more
           FROM ( SELECT
                   FROM orderwheel.dead_letters l_1
                  WHERE ((l_1.target = t.name) AND (l_1.resolved_at IS NULL))
                 LIMIT 10001) first) l)
     LEFT JOIN orderwheel.backlogs b ON (((b.target = t.name) AND (b.counted_at > (now() - '00:10:00'::interval)))));
comment on view orderwheel.target_health is 'Per target: what is open, how old, how many dead letters wait for a person, and whether it is being called. Exact up to 10 000 of a target, then as last counted by a worker.';
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
comment on column orderwheel.target_health.open_estimated is 'Whether there are more than 10 000 open deliveries: then their counts are those of counted_at, or, if that is null, of the oldest 10 000.';
comment on column orderwheel.target_health.dead_letters_estimated is 'Whether there are more than 10 000 dead letters: likewise.';
comment on column orderwheel.target_health.counted_at is 'When a worker counted what is too much to be counted now; null: nothing is, or no worker has for 10 minutes.';

create view orderwheel.dead_letter_groups as
 SELECT g.target,
    g.group_id,
    l.status,
    l.code,
    COALESCE(l.code, l.failure) AS error,
    g.dead_letters,
    g.first_at,
    g.last_at
   FROM (( SELECT dead_letters.target,
            dead_letters.group_id,
            count(*) AS dead_letters,
            min(dead_letters.died_at) AS first_at,
            max(dead_letters.died_at) AS last_at
           FROM orderwheel.dead_letters
          WHERE (dead_letters.resolved_at IS NULL)
          GROUP BY dead_letters.target, dead_letters.group_id) g
     CROSS JOIN LATERAL ( SELECT l_1.status,
            l_1.code,
            orderwheel.failure_of(orderwheel.without_person(l_1.reason, o.document)) AS failure
           FROM (orderwheel.dead_letters l_1
             LEFT JOIN orderwheel.orders o ON ((o.id = l_1.order_id)))
          WHERE ((l_1.target = g.target) AND (l_1.group_id = g.group_id) AND (l_1.resolved_at IS NULL))
          ORDER BY l_1.died_at, l_1.id
         LIMIT 1) l);
comment on view orderwheel.dead_letter_groups is 'Dead letters nobody has decided on, by target and kind of failure: orderwheel dead-letters groups. Counts in an index.';
comment on column orderwheel.dead_letter_groups.target is 'The target.';
comment on column orderwheel.dead_letter_groups.group_id is 'The group, for orderwheel dead-letters replay --group.';
comment on column orderwheel.dead_letter_groups.status is 'What the target answered: an HTTP status or SMTP reply code.';
comment on column orderwheel.dead_letter_groups.code is 'The error''s code in the answer.';
comment on column orderwheel.dead_letter_groups.error is 'The code, or the reason without what differs from order to order and without the customer.';
comment on column orderwheel.dead_letter_groups.dead_letters is 'How many.';
comment on column orderwheel.dead_letter_groups.first_at is 'When the first died.';
comment on column orderwheel.dead_letter_groups.last_at is 'When the last died.';

CREATE TRIGGER audit_chain_kept BEFORE DELETE OR UPDATE ON orderwheel.audit_chain FOR EACH ROW EXECUTE FUNCTION orderwheel.refuse_change();
comment on trigger audit_chain_kept on orderwheel.audit_chain is 'Append-only.';

CREATE TRIGGER audit_chain_not_emptied BEFORE TRUNCATE ON orderwheel.audit_chain FOR EACH STATEMENT EXECUTE FUNCTION orderwheel.refuse_change();
comment on trigger audit_chain_not_emptied on orderwheel.audit_chain is 'Append-only.';

CREATE CONSTRAINT TRIGGER audit_log_entered AFTER INSERT ON orderwheel.audit_log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orderwheel.chain_record();
comment on trigger audit_log_entered on orderwheel.audit_log is 'Each row has its entry in audit_chain. At commit, so that the chain''s end is the last thing a transaction locks.';

CREATE CONSTRAINT TRIGGER audit_log_masked AFTER UPDATE ON orderwheel.audit_log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((current_setting('orderwheel.forgetting'::text, true) = 'on'::text) AND (new.salt IS DISTINCT FROM old.salt))) EXECUTE FUNCTION orderwheel.chain_record();
comment on trigger audit_log_masked on orderwheel.audit_log is 'What forgetting leaves of a row has an entry of its own. Any other change has none, and is found by orderwheel audit verify.';

CREATE TRIGGER audit_log_resalted BEFORE UPDATE ON orderwheel.audit_log FOR EACH ROW WHEN (((current_setting('orderwheel.forgetting'::text, true) = 'on'::text) AND ((new.reason IS DISTINCT FROM old.reason) OR (new.details IS DISTINCT FROM old.details)))) EXECUTE FUNCTION orderwheel.renew_salt();
comment on trigger audit_log_resalted on orderwheel.audit_log is 'Texts that are forgotten cannot be guessed from their digest.';

CREATE TRIGGER keep_held BEFORE DELETE ON orderwheel.dead_letters FOR EACH ROW WHEN ((old.held_at IS NOT NULL)) EXECUTE FUNCTION orderwheel.keep_held_letters();
comment on trigger keep_held on orderwheel.dead_letters is 'A hold holds against everybody.';

CREATE TRIGGER delete_attempts AFTER DELETE ON orderwheel.deliveries REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION orderwheel.delete_attempts_of_deliveries();
comment on trigger delete_attempts on orderwheel.deliveries is 'What a foreign key would do, once a statement.';

CREATE TRIGGER delete_letters AFTER DELETE ON orderwheel.deliveries REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION orderwheel.delete_letters_of_deliveries();
comment on trigger delete_letters on orderwheel.deliveries is 'What a foreign key would do, once a statement.';

CREATE TRIGGER delete_deliveries AFTER DELETE ON orderwheel.messages REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION orderwheel.delete_deliveries_of_messages();
comment on trigger delete_deliveries on orderwheel.messages is 'What a foreign key would do, once a statement.';

CREATE TRIGGER delete_messages AFTER DELETE ON orderwheel.orders REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION orderwheel.delete_messages_of_orders();
comment on trigger delete_messages on orderwheel.orders is 'What a foreign key would do, once a statement.';

CREATE TRIGGER payment_settled AFTER UPDATE OF state ON orderwheel.payments FOR EACH ROW WHEN (((old.state = 'pending'::text) AND (new.state <> 'pending'::text))) EXECUTE FUNCTION orderwheel.payment_settled();
comment on trigger payment_settled on orderwheel.payments is 'Whoever writes down what became of a payment, the order goes on.';

CREATE TRIGGER delete_items AFTER DELETE ON orderwheel.replays REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION orderwheel.delete_items_of_replays();
comment on trigger delete_items on orderwheel.replays is 'A list goes with its replay.';

grant usage on schema orderwheel to orderwheel_reader;

grant select on orderwheel.dead_letter_groups to orderwheel_reader;

grant select on orderwheel.order_timeline to orderwheel_reader;

grant select on orderwheel.stuck_deliveries to orderwheel_reader;

grant select on orderwheel.target_health to orderwheel_reader;
