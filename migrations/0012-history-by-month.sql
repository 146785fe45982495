-- Third step: messages, deliveries and delivery_attempts become partitioned; what they were is the first partition.
-- No row is read or moved: a few milliseconds. Views are made anew, since they would go on reading the old tables.

-- What somebody built upon these tables would go on with the oldest rows only, without a word.
do $$
declare
  found text;
begin
  select string_agg(what, ', ' order by what) into found from (
    select 'view ' || v.oid::regclass as what
      from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class v on v.oid = r.ev_class
     where d.classid = 'pg_rewrite'::regclass and d.refobjid in (
             select oid from pg_class
              where relnamespace = 'orderwheel'::regnamespace
                and (relkind = 'v' or relname in ('messages', 'deliveries', 'delivery_attempts')))
       and v.relnamespace <> 'orderwheel'::regnamespace
    union select 'publication ' || quote_ident(p.pubname)
      from pg_publication p join pg_publication_rel r on r.prpubid = p.oid
     where r.prrelid in ('orderwheel.messages'::regclass, 'orderwheel.deliveries'::regclass, 'orderwheel.delivery_attempts'::regclass)
    union select 'policy ' || quote_ident(polname) from pg_policy
     where polrelid in ('orderwheel.messages'::regclass, 'orderwheel.deliveries'::regclass, 'orderwheel.delivery_attempts'::regclass)
    union select 'trigger ' || quote_ident(tgname) from pg_trigger
     where not tgisinternal and tgname not in ('delete_deliveries', 'delete_attempts')
       and tgrelid in ('orderwheel.messages'::regclass, 'orderwheel.deliveries'::regclass, 'orderwheel.delivery_attempts'::regclass)
    union select 'statistics ' || quote_ident(stxname) from pg_statistic_ext
     where stxrelid in ('orderwheel.messages'::regclass, 'orderwheel.deliveries'::regclass, 'orderwheel.delivery_attempts'::regclass)
    union select format('grant on column %s.%s', attrelid::regclass, attname) from pg_attribute
     where attacl is not null
       and attrelid in (select oid from pg_class where relnamespace = 'orderwheel'::regnamespace
                           and (relkind = 'v' or relname in ('messages', 'deliveries', 'delivery_attempts')))
  ) built;
  if found is not null then
    raise exception 'messages, deliveries and delivery_attempts become partitioned: drop what was built upon them, and make it again afterwards: %', found;
  end if;
end
$$;

create temporary table saved_views on commit drop as
  select c.oid, c.relname, pg_get_viewdef(c.oid) as definition, obj_description(c.oid) as comment, c.relacl,
         (select jsonb_object_agg(a.attname, col_description(c.oid, a.attnum))
            from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as columns
    from pg_class c
   where c.relnamespace = 'orderwheel'::regnamespace and c.relkind = 'v'
     -- Of views that read others, those first.
   order by c.oid;

-- In the order in which everybody locks them.
lock table orderwheel.messages in access exclusive mode;
lock table orderwheel.deliveries in access exclusive mode;
lock table orderwheel.delivery_attempts in access exclusive mode;

do $$
declare
  view record;
begin
  for view in select * from saved_views order by oid desc loop
    execute format('drop view orderwheel.%I', view.relname);
  end loop;
end
$$;

-- Foreign keys would look into every partition, and keep a partition from being dropped: triggers do what they were
-- for, once a statement, and only when somebody deletes.
alter table orderwheel.messages drop constraint messages_order_id_fkey;
alter table orderwheel.dead_letters drop constraint dead_letters_message_id_target_fkey;
drop trigger delete_deliveries on orderwheel.messages;
drop trigger delete_attempts on orderwheel.deliveries;

do $$
declare
  history record;
  named record;
  granted record;
  bound text;
  month text;
  old text;
begin
  for history in
    select * from (values ('messages', 'id'), ('deliveries', 'message_id'), ('delivery_attempts', 'message_id')) h(name, key)
  loop
    select right(conname, 7), substring(pg_get_constraintdef(oid) from '''([0-9a-f-]{36})''') into strict month, bound
      from pg_constraint
     where conrelid = format('orderwheel.%I', history.name)::regclass and conname ~ '_until_\d{4}_\d\d$';
    old := history.name || '_until_' || month;
    execute format('alter table orderwheel.%I rename to %I', history.name, old);
    for named in
      select relname from pg_index join pg_class on pg_class.oid = indexrelid
       where indrelid = format('orderwheel.%I', old)::regclass
    loop
      execute format('alter index orderwheel.%I rename to %I', named.relname, named.relname || '_until_' || month);
    end loop;
    execute format('create table orderwheel.%I (like orderwheel.%I including defaults including constraints including comments including generated) partition by range (%I)',
      history.name, old, history.key);
    execute format('alter table orderwheel.%I drop constraint %I', history.name, history.name || '_until_' || month);
    execute format('comment on table orderwheel.%I is %L', history.name, obj_description(format('orderwheel.%I', old)::regclass));
    execute format('comment on table orderwheel.%I is %L', old, format('What happened before %s: a partition of %s.', replace(month, '_', '-'), history.name));
    -- The same indexes on the whole, so that every month has them: those of the old table are taken over.
    for named in
      select pg_get_indexdef(indexrelid) as definition, indisprimary, relname,
             obj_description(indexrelid) as comment, replace(relname, '_until_' || month, '') as name
        from pg_index join pg_class on pg_class.oid = indexrelid
       where indrelid = format('orderwheel.%I', old)::regclass
    loop
      if named.indisprimary then
        execute format('alter table orderwheel.%I add constraint %I primary key %s',
          history.name, named.name, substring(named.definition from '\(.*\)'));
      else
        execute replace(replace(named.definition, format(' %s ON orderwheel.%s ', named.relname, old),
          format(' %s ON orderwheel.%s ', named.name, history.name)), 'ON ONLY', 'ON');
      end if;
      if named.comment is not null then
        execute format('comment on index orderwheel.%I is %L', named.name, named.comment);
      end if;
    end loop;
    execute format('alter table orderwheel.%I attach partition orderwheel.%I for values from (minvalue) to (%L)',
      history.name, old, bound);
    execute format('alter table orderwheel.%I drop constraint %I', old, history.name || '_until_' || month);
    for granted in
      select case when a.grantee = 0 then 'public' else quote_ident(r.rolname) end as grantee, a.privilege_type
        from pg_class c cross join aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee
       where c.oid = format('orderwheel.%I', old)::regclass and a.grantee <> c.relowner
    loop
      execute format('grant %s on orderwheel.%I to %s', granted.privilege_type, history.name, granted.grantee);
    end loop;
  end loop;
end
$$;

do $$
declare
  view record;
  commented record;
  granted record;
begin
  for view in select * from saved_views order by oid loop
    execute format('create view orderwheel.%I as %s', view.relname, view.definition);
    execute format('comment on view orderwheel.%I is %L', view.relname, view.comment);
    for commented in select * from jsonb_each_text(view.columns) where value is not null loop
      execute format('comment on column orderwheel.%I.%I is %L', view.relname, commented.key, commented.value);
    end loop;
    for granted in
      select case when a.grantee = 0 then 'public' else quote_ident(r.rolname) end as grantee, a.privilege_type
        from aclexplode(view.relacl) a left join pg_roles r on r.oid = a.grantee
       where r.rolname is distinct from current_user
    loop
      execute format('grant %s on orderwheel.%I to %s', granted.privilege_type, view.relname, granted.grantee);
    end loop;
  end loop;
end
$$;

create function orderwheel.delete_messages_of_orders() returns trigger language plpgsql as $$
begin
  delete from orderwheel.messages m using gone where m.order_id = gone.id;
  -- Those whose delivery went with its month, which deleting messages does not reach.
  delete from orderwheel.dead_letters l using gone where l.order_id = gone.id;
  return null;
end
$$;
comment on function orderwheel.delete_messages_of_orders() is 'What deleting an order deletes: its messages and dead letters.';
create function orderwheel.keep_held_letters() returns trigger language plpgsql as $$
begin
  raise exception 'Dead letter % is held since %: %. Release it first (orderwheel dead-letters release).', old.id, old.held_at, old.hold_reason
    using errcode = 'restrict_violation';
end
$$;
comment on function orderwheel.keep_held_letters() is 'Keeps a dead letter that is held from being deleted, with its delivery, message and order.';
create trigger keep_held before delete on orderwheel.dead_letters
  for each row when (old.held_at is not null) execute function orderwheel.keep_held_letters();
comment on trigger keep_held on orderwheel.dead_letters is 'A hold holds against everybody.';
create function orderwheel.delete_letters_of_deliveries() returns trigger language plpgsql as $$
begin
  delete from orderwheel.dead_letters l using gone
   where l.message_id = gone.message_id and l.target = gone.target;
  return null;
end
$$;
comment on function orderwheel.delete_letters_of_deliveries() is 'What deleting a delivery deletes: its dead letters.';
create trigger delete_messages after delete on orderwheel.orders
  referencing old table as gone for each statement execute function orderwheel.delete_messages_of_orders();
create trigger delete_deliveries after delete on orderwheel.messages
  referencing old table as gone for each statement execute function orderwheel.delete_deliveries_of_messages();
create trigger delete_attempts after delete on orderwheel.deliveries
  referencing old table as gone for each statement execute function orderwheel.delete_attempts_of_deliveries();
create trigger delete_letters after delete on orderwheel.deliveries
  referencing old table as gone for each statement execute function orderwheel.delete_letters_of_deliveries();

comment on trigger delete_messages on orderwheel.orders is 'What a foreign key would do, once a statement.';
comment on trigger delete_deliveries on orderwheel.messages is 'What a foreign key would do, once a statement.';
comment on trigger delete_attempts on orderwheel.deliveries is 'What a foreign key would do, once a statement.';
comment on trigger delete_letters on orderwheel.deliveries is 'What a foreign key would do, once a statement.';

create table orderwheel.dropped_history (
  until      timestamptz not null check (until > '2020-01-01'),
  dropped_at timestamptz not null default now(),
  primary key (until)
);
comment on table  orderwheel.dropped_history is 'Months of messages, deliveries and delivery_attempts that retention has dropped. Before the latest, history is not complete.';
comment on column orderwheel.dropped_history.until is 'The end of the month.';
comment on column orderwheel.dropped_history.dropped_at is 'When it was dropped.';

create or replace function orderwheel.history_since() returns timestamptz language sql stable parallel safe
  return (select max(until) from orderwheel.dropped_history);
