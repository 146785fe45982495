import type pg from 'pg'

/** How many sessions this role may have at a time, by one of the limits that apply to it. */
export type ConnectionLimit = {
  /** Where it is set, for a person. */
  name: string
  allowed: number
  /** Sessions that count towards it now, this one included. */
  taken: number
}

/** Every limit the server sets for us; none of role and database for superusers, who may exceed them. */
export async function readConnectionLimits(client: pg.ClientBase): Promise<ConnectionLimit[]> {
  const { rows } = await client.query<ConnectionLimit>(`
    with me as (
      select oid, rolname, rolsuper, rolconnlimit,
             case when rolsuper then 0
                  when pg_has_role(oid, 'pg_use_reserved_connections', 'usage')
                  then current_setting('superuser_reserved_connections')::int
                  else current_setting('superuser_reserved_connections')::int
                     + current_setting('reserved_connections')::int
             end as reserved
        from pg_roles where rolname = session_user
    ), sessions as (
      -- Whoever may not see others' backend_type sees null, parallel workers included.
      select usesysid, datid from pg_stat_activity
       where usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend'
    )
    select format('the server (max_connections %s, %s of them reserved)',
                  current_setting('max_connections'), reserved) as name,
           current_setting('max_connections')::int - reserved as allowed,
           (select count(*) from sessions)::int as taken
      from me
    union all
    select format('role %I (its connection limit)', rolname), rolconnlimit,
           (select count(*) from sessions where usesysid = oid)::int
      from me where rolconnlimit >= 0 and not rolsuper
    union all
    select format('database %I (its connection limit)', datname), datconnlimit,
           (select count(*) from sessions where datid = d.oid)::int
      from pg_database d, me
     where datname = current_database() and datconnlimit >= 0 and not rolsuper`)
  return rows
}
