select coalesce((
  select case
           when i.system_identifier <> orderwheel.this_cluster() then 'cluster'
           when i.database_oid <> d.oid then 'database'
           when i.database_name <> d.datname then 'renamed'
           when i.written_by::xid <> i.xmin then 'copied'
           when i.environment is distinct from $1::text then 'environment'
           else 'fits'
         end
    from orderwheel.installation i, pg_database d
   where d.datname = current_database()), 'no-owner') as fit,
         name, exists (
  select from pgboss.job j
   where j.name = "t"."name" and j.state = 'created' and not j.blocked and j.start_after <= now()) as "dueNew",
         exists (
  select from pgboss.job j
   where j.name = "t"."name" and j.state = 'retry' and not j.blocked and j.start_after <= now()) as "dueRetry",
         circuit, circuit_epoch as epoch,
         circuit = 'closed' and failed_in_a_row = 0 and window_failed = 0 as clean,
         circuit = 'open' and (probe_at <= now() or circuit_since > clock_timestamp()) as "probeDue",
         paused_at is not null and coalesce(paused_until > now(), true) as paused,
         exists (select from pgboss.job j where j.name = "t"."name" and j.state = 'active' and (
j.heartbeat_on < now() - make_interval(secs => $2)
or j.heartbeat_on > clock_timestamp() + make_interval(secs => $3))) or exists (
           select from orderwheel.slot_leases l
            where l.target = t.name and (renewed_at < now() - make_interval(secs => $4)
  or renewed_at > clock_timestamp() + make_interval(secs => $5))) as "hasLost",
         coalesce(concurrency_set, concurrency) as concurrency,
         extract(epoch from clock_timestamp())::float8 * 1000 as "serverMs",
         case when rate_set then json_build_object('max', rate_set_max, 'perSeconds', rate_set_per_seconds)
              else json_build_object('max', rate_max, 'perSeconds', rate_per_seconds) end as rate
    from (select) once
    left join orderwheel.targets t on name = any($6::text[]);
