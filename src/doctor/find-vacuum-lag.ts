import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { sayAge } from './say-age.ts'
import type { Examination, Patient } from './examination.ts'
import type { Finding } from './finding.ts'

export const vacuumLag: Examination = {
  subject: 'autovacuum: switched on, and keeping up, for our tables and pg-boss’s',
  async examine(patient) {
    return { findings: [...(await findOff(patient.db)), ...(await findBehind(patient))] }
  },
}

async function findOff(db: Db): Promise<Finding[]> {
  const { rows } = await sql<{ table: string | null }>`
    select null as table where current_setting('autovacuum') = 'off' or current_setting('track_counts') = 'off'
    union all
    select c.oid::regclass::text
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('orderwheel', 'pgboss')
     where c.relkind in ('r', 'm')
       and (select option_value from pg_options_to_table(c.reloptions)
             where option_name = 'autovacuum_enabled') in ('false', 'off', 'no', '0')`.execute(db)
  return rows.map(({ table }) => ({
    kind: 'autovacuum-off',
    severity: 'error',
    what: `Autovacuum is off${table === null ? ' for the whole server' : ` for ${table}`}.`,
    why: 'Dead rows are never removed: the table grows without end, and looking for work takes ever longer.',
    fix:
      table === null
        ? 'alter system set autovacuum = on; alter system set track_counts = on; select pg_reload_conf();'
        : `alter table ${table} reset (autovacuum_enabled);`,
  }))
}

type Behind = { table: string; dead: number; threshold: number; vacuumedSeconds: number | null }

/** By the table's own thresholds, as autovacuum computes them. */
async function findBehind({ db, patienceSeconds }: Patient): Promise<Finding[]> {
  const { rows } = await sql<Behind>`
    select relid::regclass::text as table, n_dead_tup::float8 as dead, threshold,
           extract(epoch from clock_timestamp() - vacuumed)::float8 as "vacuumedSeconds"
      from (
        select s.relid, s.n_dead_tup, greatest(s.last_vacuum, s.last_autovacuum) as vacuumed,
               least(${option('autovacuum_vacuum_max_threshold')},
                     ${option('autovacuum_vacuum_threshold')}
                   + ${option('autovacuum_vacuum_scale_factor')}
                   * greatest(c.reltuples, 0)) as threshold
          from pg_stat_all_tables s join pg_class c on c.oid = s.relid
         where s.schemaname in ('orderwheel', 'pgboss')) t
     where n_dead_tup > ${timesThreshold} * threshold and n_dead_tup > ${fewDeadRows}
       and (vacuumed is null or vacuumed < clock_timestamp() - make_interval(secs => ${patienceSeconds}))
       and relid not in (select relid from pg_stat_progress_vacuum)
     order by n_dead_tup desc limit 5`.execute(db)
  return rows.map(({ table, dead, threshold, vacuumedSeconds }) => ({
    kind: 'vacuum-behind',
    severity: 'warning',
    what: `${table} has ${Math.round(dead)} dead rows, ${Math.round(dead / Math.max(1, threshold))} times what its settings vacuum at, and was last vacuumed ${vacuumedSeconds === null ? 'never' : `${sayAge(vacuumedSeconds)} ago`}.`,
    why: 'Looking for work reads over all of them, and its indexes grow with them.',
    fix: `vacuum (verbose, analyze) ${table}; -- and see xmin-held, if it removes nothing; autovacuum_max_workers and autovacuum_vacuum_cost_delay, if it is late`,
  }))
}

/** The table's own, or the server's. */
function option(name: string) {
  return sql`coalesce((select option_value::float8 from pg_options_to_table(c.reloptions)
                        where option_name = ${sql.lit(name)}), current_setting(${sql.lit(name)})::float8)`
}

// A burst of orders leaves some before autovacuum's next visit, once a minute.
const timesThreshold = 5
const fewDeadRows = 100_000
