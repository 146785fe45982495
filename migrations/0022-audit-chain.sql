-- What people did, and what audit targets were told, in a chain of hashes: see docs/audit-log.md and decision 26.

create table orderwheel.audit_chain (
  position bigint      primary key check (position > 0),
  at       timestamptz not null,
  kind     text        not null check (kind in ('begun', 'action', 'masked', 'told', 'forgotten', 'removed')),
  record   uuid,
  details  jsonb       not null default '{}' check (octet_length(details::text) <= 4096),
  digest   bytea       check (octet_length(digest) = 32),
  previous bytea       not null check (octet_length(previous) = 32),
  hash     bytea       not null check (octet_length(hash) = 32)
);
create index audit_chain_record on orderwheel.audit_chain (record, position);
create index audit_chain_removed on orderwheel.audit_chain (position) where kind = 'removed';
comment on table  orderwheel.audit_chain is 'Append-only: an entry for each row of audit_log and each message an audit target was told, each with the hash of the one before. Never deleted. See docs/audit-log.md.';
comment on column orderwheel.audit_chain.position is '1, 2, 3 … without a gap.';
comment on column orderwheel.audit_chain.at is 'When it was done or entered.';
comment on column orderwheel.audit_chain.kind is 'begun: the first entry · action: a row of audit_log · masked: forgetting took texts from that row · told: an audit target was told · forgotten: an order lost its personal data · removed: the retention deleted.';
comment on column orderwheel.audit_chain.record is 'The row of audit_log (action, masked) or the order (told, forgotten); null: a message about no order was told, of which there is no digest.';
comment on column orderwheel.audit_chain.details is 'Nothing personal. begun: chain, a random name · told: target, message, kind, externalId, total, currency, payload (a digest) · removed: of, until, count.';
comment on column orderwheel.audit_chain.digest is 'SHA-256 of a salt and of what it is about: the row of audit_log, the order''s document; of a forgotten order, what is left of it, without a salt.';
comment on column orderwheel.audit_chain.previous is 'The hash of the entry before; of the first, zeros.';
comment on column orderwheel.audit_chain.hash is 'SHA-256 of position, at, kind, record, details, digest and previous: entry_hash().';
comment on constraint audit_chain_pkey on orderwheel.audit_chain is 'No two entries continue the same one.';
comment on index orderwheel.audit_chain_record is 'The entries about a record or an order.';
comment on index orderwheel.audit_chain_removed is 'What the retention deleted.';

create table orderwheel.audit_salts (
  position bigint primary key check (position > 0),
  order_id uuid not null references orderwheel.orders on delete cascade,
  salt     uuid not null
);
create index audit_salts_order on orderwheel.audit_salts (order_id);
comment on table  orderwheel.audit_salts is 'Salts of the digests of orders in audit_chain. One goes with its order, or with the person who is forgotten: then nobody can guess what the digest was of.';
comment on column orderwheel.audit_salts.position is 'The entry. No foreign key: an entry that is missing has to be found, not cascaded.';
comment on column orderwheel.audit_salts.order_id is 'The order.';
comment on column orderwheel.audit_salts.salt is '122 random bits.';
comment on constraint audit_salts_pkey on orderwheel.audit_salts is 'One of each entry.';
comment on constraint audit_salts_order_id_fkey on orderwheel.audit_salts is 'A salt goes with its order.';
comment on index orderwheel.audit_salts_order is 'The salts of an order, to be deleted with it.';

alter table orderwheel.audit_log add column salt uuid not null default gen_random_uuid();
comment on column orderwheel.audit_log.salt is 'Salt of the row''s digest in audit_chain, anew when forgetting takes texts from the row: then nobody can guess from the old digest what it said.';

create function orderwheel.netstring(field text) returns text
language sql immutable parallel safe
return case when field is null then '-,' else octet_length(convert_to(field, 'UTF8'))::text || ':' || field || ',' end;
comment on function orderwheel.netstring(text) is 'A text so that no two lists of texts are written alike: its length in bytes, a colon, the text, a comma; null is -, alone.';

create function orderwheel.entry_time(at timestamptz) returns text
language sql stable parallel safe
return to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
comment on function orderwheel.entry_time(timestamptz) is 'A time as it is hashed: 2026-11-23T10:15:00.123456Z.';

create function orderwheel.entry_hash(entry orderwheel.audit_chain) returns bytea
language sql stable parallel safe
return sha256(convert_to(
  orderwheel.netstring(entry.position::text)
  || orderwheel.netstring(orderwheel.entry_time(entry.at))
  || orderwheel.netstring(entry.kind)
  || orderwheel.netstring(entry.record::text)
  || orderwheel.netstring(entry.details::text)
  || orderwheel.netstring(encode(entry.digest, 'hex'))
  || orderwheel.netstring(encode(entry.previous, 'hex')), 'UTF8'));
comment on function orderwheel.entry_hash(orderwheel.audit_chain) is 'What the hash of an entry has to be.';

create function orderwheel.record_digest(record orderwheel.audit_log) returns bytea
language sql stable parallel safe
return sha256(convert_to(
  orderwheel.netstring(record.salt::text)
  || orderwheel.netstring(record.id::text)
  || orderwheel.netstring(orderwheel.entry_time(record.at))
  || orderwheel.netstring(record.who)
  || orderwheel.netstring(record.action)
  || orderwheel.netstring(record.subject)
  || orderwheel.netstring(record.reason)
  || orderwheel.netstring(record.details::text), 'UTF8'));
comment on function orderwheel.record_digest(orderwheel.audit_log) is 'What the digest of a row of audit_log has to be, as the row is now.';

-- Whoever calls this holds the chain's end until the transaction does, and may lock nothing after it: then nobody who
-- waits for the end can be waited for. The end is read by a statement after the lock, which sees who held it before.
create function orderwheel.chain_entries(entries orderwheel.audit_chain[]) returns bigint
language plpgsql as $$
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
$$;
comment on function orderwheel.chain_entries(orderwheel.audit_chain[]) is 'Appends entries without position and hash, in this order; answers the position before the first of them. The last thing a transaction does: it holds the chain''s end until then.';

create function orderwheel.chain_record() returns trigger
language plpgsql as $$
begin
  perform orderwheel.chain_entries(array[(
    null, case tg_op when 'INSERT' then new.at else now() end, case tg_op when 'INSERT' then 'action' else 'masked' end,
    new.id, '{}', orderwheel.record_digest(new), null, null)::orderwheel.audit_chain]);
  return null;
end
$$;
comment on function orderwheel.chain_record() is 'Enters a row of audit_log, or what forgetting left of it, when its transaction commits.';

create function orderwheel.renew_salt() returns trigger
language plpgsql as $$
begin
  new.salt := gen_random_uuid();
  return new;
end
$$;
comment on function orderwheel.renew_salt() is 'Gives a row of audit_log whose texts are forgotten another salt.';

create function orderwheel.chain_told(target text, message_ids uuid[], order_ids uuid[]) returns void
language plpgsql as $$
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
$$;
comment on function orderwheel.chain_told(text, uuid[], uuid[]) is 'Enters that a target was told these messages of these orders, and keeps the salts.';

create function orderwheel.salted_digest(salt uuid, said text) returns bytea
language sql immutable parallel safe
return sha256(convert_to(orderwheel.netstring(salt::text) || orderwheel.netstring(said), 'UTF8'));
comment on function orderwheel.salted_digest(uuid, text) is 'What the digest of an order''s document or a message''s payload has to be; without a salt, of what is left of an order that was forgotten.';

create function orderwheel.chain_forgotten(forgotten uuid) returns void
language plpgsql as $$
begin
  delete from orderwheel.audit_salts where order_id = forgotten;
  perform orderwheel.chain_entries(array_agg((
    null, now(), 'forgotten', o.id, '{}', orderwheel.salted_digest(null, o.document::text), null, null)::orderwheel.audit_chain))
     from orderwheel.orders o where o.id = forgotten;
end
$$;
comment on function orderwheel.chain_forgotten(uuid) is 'Deletes the salts of an order that was forgotten, and enters that it was.';

create function orderwheel.chain_removed(of_table text, until timestamptz, removed bigint) returns void
language plpgsql as $$
begin
  perform orderwheel.chain_entries(array[(
    null, now(), 'removed', null,
    jsonb_build_object('of', of_table, 'until', orderwheel.entry_time(until), 'count', removed), null, null, null)::orderwheel.audit_chain]);
end
$$;
comment on function orderwheel.chain_removed(text, timestamptz, bigint) is 'Enters that the retention deleted rows of audit_log, or orders, from before a time.';

create function orderwheel.refuse_change() returns trigger
language plpgsql as $$
begin
  raise exception 'orderwheel.audit_chain is append-only: % is refused. What happened is not undone by removing its entry; see docs/audit-log.md.', lower(tg_op)
    using errcode = 'integrity_constraint_violation';
end
$$;
comment on function orderwheel.refuse_change() is 'Refuses to change or remove entries of audit_chain.';

create trigger audit_chain_kept before update or delete on orderwheel.audit_chain
  for each row execute function orderwheel.refuse_change();
create trigger audit_chain_not_emptied before truncate on orderwheel.audit_chain
  for each statement execute function orderwheel.refuse_change();
comment on trigger audit_chain_kept on orderwheel.audit_chain is 'Append-only.';
comment on trigger audit_chain_not_emptied on orderwheel.audit_chain is 'Append-only.';

-- The rows that are there already, as they are now: what happened to them before is not known. Nobody writes more
-- until this has committed, since the new column has audit_log locked.
select orderwheel.chain_entries(array[(
  null, now(), 'begun', null, jsonb_build_object('chain', gen_random_uuid()), null, null, null)::orderwheel.audit_chain]);
do $$
declare
  seen uuid := '00000000-0000-0000-0000-000000000000';
  rows orderwheel.audit_chain[];
begin
  loop
    select array_agg((null, at, 'action', id, '{}', orderwheel.record_digest(a), null, null)::orderwheel.audit_chain order by id), max(id::text)::uuid
      into rows, seen
      from (select * from orderwheel.audit_log where id > seen order by id limit 1000) a;
    exit when rows is null;
    perform orderwheel.chain_entries(rows);
  end loop;
end
$$;

-- At commit, after everything that the transaction locks.
create constraint trigger audit_log_entered after insert on orderwheel.audit_log
  deferrable initially deferred for each row execute function orderwheel.chain_record();
create constraint trigger audit_log_masked after update on orderwheel.audit_log
  deferrable initially deferred for each row
  when (current_setting('orderwheel.forgetting', true) = 'on' and new.salt is distinct from old.salt)
  execute function orderwheel.chain_record();
create trigger audit_log_resalted before update on orderwheel.audit_log
  for each row
  when (current_setting('orderwheel.forgetting', true) = 'on'
        and (new.reason, new.details) is distinct from (old.reason, old.details))
  execute function orderwheel.renew_salt();
comment on trigger audit_log_entered on orderwheel.audit_log is 'Each row has its entry in audit_chain. At commit, so that the chain''s end is the last thing a transaction locks.';
comment on trigger audit_log_masked on orderwheel.audit_log is 'What forgetting leaves of a row has an entry of its own. Any other change has none, and is found by orderwheel audit verify.';
comment on trigger audit_log_resalted on orderwheel.audit_log is 'Texts that are forgotten cannot be guessed from their digest.';
comment on column orderwheel.targets.kind is 'How it is told: http, batch, email, webhook or custom; or made: receipt; or entered: audit.';
