-- Whose database this is, so that a copy of it (a restored backup, a branch environment) delivers nothing by itself.
-- Has no row yet: migrate, or the first worker, writes it, who know the environment. The previous version ignores it.

create table orderwheel.installation (
  one_row           boolean     primary key default true check (one_row),
  system_identifier bigint,
  database_oid      oid         not null,
  database_name     text        not null check (length(database_name) between 1 and 63),
  written_by        xid8        not null default pg_current_xact_id(),
  environment       text        check (length(environment) between 1 and 200),
  owned_since       timestamptz not null default now(),
  owned_by          text        not null check (length(owned_by) between 1 and 200)
);
comment on table  orderwheel.installation is 'Whose database this is. Targets are called only while this row fits where it is found: orderwheel owner shows it, orderwheel owner --take writes it anew.';
comment on column orderwheel.installation.one_row is 'There is one row at most.';
comment on column orderwheel.installation.system_identifier is 'Of the cluster (pg_control_system), which a standby shares; null: it could not be read when the row was written.';
comment on column orderwheel.installation.database_oid is 'Of the database: a copy inside the cluster has another.';
comment on column orderwheel.installation.database_name is 'Of the database.';
comment on column orderwheel.installation.written_by is 'The transaction that wrote this row, which is also its xmin until somebody copies the row: for servers that do not tell their identifier.';
comment on column orderwheel.installation.environment is 'The environment that owns it, by its name: ORDERWHEEL_ENVIRONMENT, or PLATFORM_PROJECT and PLATFORM_ENVIRONMENT; null: it has none.';
comment on column orderwheel.installation.owned_since is 'Since when.';
comment on column orderwheel.installation.owned_by is 'Who made it the owner: a process that found no row, or the person who took it.';

-- plpgsql, because it asks for the right to call a function only when it comes to the call.
create function orderwheel.this_cluster() returns bigint language plpgsql stable as $$
begin
  if not has_function_privilege('pg_catalog.pg_control_system()', 'execute') then
    return null;
  end if;
  return (select system_identifier from pg_catalog.pg_control_system());
end
$$;
comment on function orderwheel.this_cluster() is 'The identifier of the cluster this is, shared with its standbys; null when this role may not know it.';
