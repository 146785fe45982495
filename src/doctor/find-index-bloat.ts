import { type RawBuilder, sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Examination } from './examination.ts'
import type { Finding } from './finding.ts'

export const indexBloat: Examination = {
  subject: 'indexes, and how much of them is empty',
  async examine({ db, leastIndexBytes }) {
    const exact = await hasPgstattuple(db)
    const { rows } = await (exact ? measured : estimated)(leastIndexBytes).execute(db)
    return { findings: rows.map((index) => toFinding(index, exact)) }
  },
}

type Bloated = { index: string; bytes: number; emptyBytes: number }

function toFinding({ index, bytes, emptyBytes }: Bloated, exact: boolean): Finding {
  const share = Math.round((100 * emptyBytes) / bytes)
  return {
    kind: 'index-bloat',
    severity: 'warning',
    what: `${index} is ${megabytes(bytes)} MB large, and ${share} % of it is empty (${exact ? 'measured by pgstattuple' : 'estimated from statistics; create extension pgstattuple to measure it'}).`,
    why: 'Each look through it reads pages with next to nothing on them, and they push others out of memory.',
    fix: `reindex index concurrently ${index};`,
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(bytes < 10_485_760 ? 1 : 0)
}

// A queue's indexes are half empty now and then.
const leastEmpty = 0.7

async function hasPgstattuple(db: Db): Promise<boolean> {
  const { rows } = await sql<{ usable: boolean }>`
    select coalesce(bool_or(has_function_privilege(p.oid, 'execute')
                            and has_schema_privilege(p.pronamespace, 'usage')), false) as usable
      from pg_extension e
      join pg_proc p on p.proname = 'pgstatindex' and p.pronamespace = e.extnamespace
     where e.extname = 'pgstattuple'`.execute(db)
  return rows[0]?.usable ?? false
}

// It reads the whole index: the largest only.
const measured = (leastBytes: number): RawBuilder<Bloated> => sql<Bloated>`
  select * from (
    select c.oid::regclass::text as index, pg_relation_size(c.oid)::float8 as bytes,
           pg_relation_size(c.oid) * (1 - (s.leaf_pages * coalesce(nullif(s.avg_leaf_density, 'NaN'), 0) / 100)
                                          / greatest(1, pg_relation_size(c.oid) / current_setting('block_size')::int))
             as "emptyBytes"
      from (select c.oid from pg_class c
              join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('orderwheel', 'pgboss')
              join pg_am am on am.oid = c.relam and am.amname = 'btree'
             where c.relkind = 'i' and pg_relation_size(c.oid) >= ${leastBytes}
             order by pg_relation_size(c.oid) desc limit 10) c
     cross join lateral pgstatindex(c.oid::regclass) s) measured
   where "emptyBytes" > ${leastEmpty} * bytes`

// The usual formula: entries times what one takes (item pointer 4, header 8 with nulls' bitmap, columns by their
// average width, rounded up to 8), on pages of which 90 % are filled. Duplicates take less: then it is even emptier.
const estimated = (leastBytes: number): RawBuilder<Bloated> => sql<Bloated>`
  select index, bytes, bytes - needed as "emptyBytes"
    from (
      select c.oid::regclass::text as index, pg_relation_size(c.oid)::float8 as bytes,
             greatest(c.reltuples, 0) * (4 + 8 * ceil((8 + w.width) / 8.0)) / 0.9 + 2 * 8192 as needed
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('orderwheel', 'pgboss')
        join pg_am am on am.oid = c.relam and am.amname = 'btree'
        join pg_index i on i.indexrelid = c.oid
        join pg_class t on t.oid = i.indrelid
        -- statistics from before a million rows came or went say nothing
        join pg_stat_all_tables st on st.relid = t.oid
                                  and st.n_mod_since_analyze <= 0.2 * greatest(st.n_live_tup, 1000)
       cross join lateral (
         select sum(coalesce(s.avg_width, nullif(a.attlen, -1), 16)) as width
           from pg_attribute a
           left join pg_attribute ta on ta.attrelid = t.oid and ta.attnum = (i.indkey::int2[])[a.attnum - 1]
           left join pg_stats s on s.schemaname = n.nspname and s.tablename = t.relname and s.attname = ta.attname
          where a.attrelid = c.oid) w
       where c.relkind = 'i' and pg_relation_size(c.oid) >= ${leastBytes} and c.reltuples >= 0) estimated
   where bytes - needed > ${leastEmpty} * bytes
   order by bytes - needed desc limit 10`
