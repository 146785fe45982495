-- First of three steps to history in partitions, one per month: the rows that are there become the first partition. A
-- check that holds for new rows at once, and for the old ones once the next step has looked at them all without
-- locking anybody out, spares that look while everybody is locked out. Ids are uuidv7: they begin with their time.

create function orderwheel.first_id(at timestamptz) returns uuid language sql immutable strict parallel safe
  return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
comment on function orderwheel.first_id(timestamptz) is 'The lowest id that a row made at this time can have: "where id >= orderwheel.first_id(''2026-11-01'')" finds rows by age in the primary key.';

-- Rows go on being written until the last step: it must come before the end that is set here, two months from now or
-- more, should the second step find what it cannot go on with.
do $$
declare
  last date := date_trunc('month', now() at time zone 'utc') + interval '3 months';
begin
  execute format('alter table orderwheel.messages add constraint messages_until_%s check (id < %L) not valid',
    to_char(last, 'YYYY_MM'), orderwheel.first_id(last at time zone 'utc'));
  execute format('alter table orderwheel.deliveries add constraint deliveries_until_%s check (message_id < %L) not valid',
    to_char(last, 'YYYY_MM'), orderwheel.first_id(last at time zone 'utc'));
  execute format('alter table orderwheel.delivery_attempts add constraint delivery_attempts_until_%s check (message_id < %L) not valid',
    to_char(last, 'YYYY_MM'), orderwheel.first_id(last at time zone 'utc'));
end
$$;

-- From now on an application that makes its own ids is told at once, not by the relay.
alter table orderwheel.outbox add constraint outbox_id_is_uuidv7
  check (refusals > 0 or coalesce(uuid_extract_version(id) = 7, false)) not valid; -- what waits already can still be refused
comment on constraint outbox_id_is_uuidv7 on orderwheel.outbox is 'A message''s id says in which month''s partition its history is kept. Leave it to the default, or make a uuidv7.';
