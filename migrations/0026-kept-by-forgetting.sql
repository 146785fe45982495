-- Forgetting takes texts from a row of audit_log, never who did what to what and when: that is entered on its own, so that
-- nobody changes it under the name of forgetting. audit_log is locked for a moment; rows that are there already have no
-- such salt, and are compared as before. See docs/audit-log.md.

alter table orderwheel.audit_log add column kept_salt uuid;
alter table orderwheel.audit_log alter column kept_salt set default gen_random_uuid();
comment on column orderwheel.audit_log.kept_salt is 'Salt of kept_digest(), the same as long as the row is there; null: written before there was one.';
comment on column orderwheel.audit_chain.details is 'Nothing personal. begun: chain, a random name · action, masked: kept, a digest: kept_digest() · told: target, message, kind, externalId, total, currency, payload (a digest) · removed: of, until, count.';

create function orderwheel.kept_digest(record orderwheel.audit_log) returns bytea
language sql stable parallel safe
return case when record.kept_salt is not null then sha256(convert_to(
  orderwheel.netstring(record.kept_salt::text)
  || orderwheel.netstring(record.id::text)
  || orderwheel.netstring(orderwheel.entry_time(record.at))
  || orderwheel.netstring(record.who)
  || orderwheel.netstring(record.action)
  || orderwheel.netstring(record.subject), 'UTF8')) end;
comment on function orderwheel.kept_digest(orderwheel.audit_log) is 'Digest of what forgetting leaves of a row of audit_log as it was; null: the row has no salt for it.';

create or replace function orderwheel.chain_record() returns trigger
language plpgsql as $$
begin
  perform orderwheel.chain_entries(array[(
    null, case tg_op when 'INSERT' then new.at else now() end, case tg_op when 'INSERT' then 'action' else 'masked' end,
    new.id, jsonb_strip_nulls(jsonb_build_object('kept', encode(orderwheel.kept_digest(new), 'hex'))),
    orderwheel.record_digest(new), null, null)::orderwheel.audit_chain]);
  return null;
end
$$;
