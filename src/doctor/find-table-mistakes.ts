import { sql } from 'kysely'

import type { Examination } from './examination.ts'

export const unloggedTables: Examination = {
  subject: 'tables that would be empty after a crash',
  async examine({ db }) {
    const { rows } = await sql<{ table: string }>`
      select c.oid::regclass::text as table
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('orderwheel', 'pgboss') and c.relpersistence = 'u' and c.relkind in ('r', 'p', 'S')`.execute(
      db,
    )
    return {
      findings: rows.map(({ table }) => ({
        kind: 'unlogged-table',
        severity: 'error',
        what: `${table} is unlogged.`,
        why: 'After a crash it is empty, and on a standby it is not there at all.',
        fix: `alter table ${table} set logged;`,
      })),
    }
  },
}

export const invalidIndexes: Examination = {
  subject: 'indexes that were never finished',
  async examine({ db }) {
    const { rows } = await sql<{ index: string; table: string }>`
      select i.indexrelid::regclass::text as index, i.indrelid::regclass::text as table
        from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('orderwheel', 'pgboss') and not i.indisvalid and c.relkind = 'i'
         and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)`.execute(
      db,
    )
    return {
      findings: rows.map(({ index, table }) => ({
        kind: 'invalid-index',
        severity: 'warning',
        what: `Index ${index} of ${table} is invalid: building it was interrupted.`,
        why: 'It is written with each row and used by no query; what it should make unique may not be.',
        fix: `reindex index concurrently ${index};`,
      })),
    }
  },
}
