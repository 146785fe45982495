-- Second step: reads every row once, while everybody goes on writing. Fails when an id is not a uuidv7 of the past,
-- which only an application that makes its own can have written; the message says which constraint.
do $$
declare
  bound record;
begin
  for bound in
    select conrelid::regclass as history, conname from pg_constraint
     where conrelid in ('orderwheel.messages'::regclass, 'orderwheel.deliveries'::regclass, 'orderwheel.delivery_attempts'::regclass)
       and contype = 'c' and not convalidated -- a partition's checks have to be as good as the whole's
     order by conname
  loop
    execute format('alter table %s validate constraint %I', bound.history, bound.conname);
  end loop;
exception when check_violation then
  raise exception '%: an id is not a uuidv7 of the past, see "select * from orderwheel.messages where uuid_extract_version(id) is distinct from 7 or uuid_extract_timestamp(id) > now()". Delete those orders, or write their messages anew with other ids; until then new messages can be relayed for two months', sqlerrm
    using errcode = 'check_violation';
end
$$;
