import type pg from 'pg'

/**
 * Schema `orderwheel` as SQL that makes it anew, in an order that changes only with it. Without rows, without the
 * partitions, which come and go by month, and without owners.
 */
export async function describeSchema(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ text: string }>(objects)
  return `${head}${rows.map(({ text }) => text).join('\n\n')}\n`
}

const head = `-- The schema as all migrations leave it, for reading and for review: written by "npm run schema", never by hand.

`

// `stage` and then the order in which they were made: what something needs comes before it.
const objects = `
  with relations as (
    select oid, relname as name, relkind as kind, reloptions as options, relacl as acl
      from pg_class
     where relnamespace = 'orderwheel'::regnamespace and not relispartition and relkind in ('r', 'p', 'v')
  ), columns as (
    select a.attrelid as oid, a.attnum as number, a.attname as name,
           format('  %s %s', rpad(quote_ident(a.attname), max(length(quote_ident(a.attname))) over (partition by a.attrelid)),
                  concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                    case when a.attnotnull then 'not null' end,
                    case when a.attidentity = 'a' then 'generated always as identity'
                         when a.attgenerated = 's' then format('generated always as (%s) stored', pg_get_expr(d.adbin, d.adrelid))
                         when d.adbin is not null then format('default %s', pg_get_expr(d.adbin, d.adrelid)) end)) as text
      from relations r
      join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where r.kind <> 'v'
  ), constraints as (
    select k.oid, k.conrelid, k.conname as name,
           format('  constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) as text, k.contype as type
      from pg_constraint k join relations r on r.oid = k.conrelid
     where k.contype in ('p', 'u', 'c', 'x', 'f') and k.conparentid = 0
  ), parts as (
    select oid, 1 as rank, number, '' as name, text from columns
    union all
    select conrelid, 2, position(type::text in 'puxcf'), name, text from constraints
  ), indexes as (
    select i.indrelid, c.oid, c.relname as name, pg_get_indexdef(c.oid) || ';' as text,
           exists (select from pg_constraint k where k.conindid = c.oid and k.contype in ('p', 'u', 'x')) as of_constraint
      from pg_index i join relations r on r.oid = i.indrelid join pg_class c on c.oid = i.indexrelid
  ), functions as (
    select p.oid, p.proname as name, p.oid::regprocedure::text as signature, pg_get_functiondef(p.oid) as text,
           exists (select from pg_depend d
                      left join pg_type t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid
                      left join pg_type e on e.oid = t.typelem
                     where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                      and (d.refclassid = 'pg_class'::regclass or t.typrelid <> 0 or e.typrelid <> 0)) as reads_tables
      from pg_proc p where p.pronamespace = 'orderwheel'::regnamespace
  ), comments as (
    select r.oid as at, 1 as rank, 0 as number, '' as name,
           format('comment on %s orderwheel.%I is %L;', case r.kind when 'v' then 'view' else 'table' end, r.name, obj_description(r.oid, 'pg_class')) as text
      from relations r where obj_description(r.oid, 'pg_class') is not null
    union all
    select a.attrelid, 2, a.attnum, '', format('comment on column orderwheel.%I.%I is %L;', r.name, a.attname, col_description(r.oid, a.attnum))
      from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0
     where col_description(r.oid, a.attnum) is not null
    union all
    select k.conrelid, 3, 0, k.name, format('comment on constraint %I on orderwheel.%I is %L;', k.name, r.name, obj_description(k.oid, 'pg_constraint'))
      from constraints k join relations r on r.oid = k.conrelid where obj_description(k.oid, 'pg_constraint') is not null
    union all
    select i.indrelid, 4, 0, i.name, format('comment on index orderwheel.%I is %L;', i.name, obj_description(i.oid, 'pg_class'))
      from indexes i where obj_description(i.oid, 'pg_class') is not null
    union all
    select d.refobjid, 5, 0, s.relname, format('comment on sequence orderwheel.%I is %L;', s.relname, obj_description(s.oid, 'pg_class'))
      from relations r join pg_depend d on d.refobjid = r.oid and d.classid = 'pg_class'::regclass and d.deptype = 'i'
      join pg_class s on s.oid = d.objid and s.relkind = 'S'
     where obj_description(s.oid, 'pg_class') is not null
  ), texts as (
    select 0 as stage, 0::oid as oid, '' as name, format(E'create schema orderwheel;\\ncomment on schema orderwheel is %L;',
           obj_description('orderwheel'::regnamespace, 'pg_namespace')) as text
    union all
    select case when reads_tables then 3 else 1 end, oid, name,
           concat_ws(E'\\n', rtrim(text, E'\\n') || ';', format('comment on function %s is %L;', signature, obj_description(oid, 'pg_proc')))
      from functions
    union all
    select 2, r.oid, r.name, concat_ws(E'\\n',
           format(E'create table orderwheel.%I (\\n%s\\n)%s%s;', r.name,
             (select string_agg(p.text, E',\\n' order by p.rank, p.number, p.name) from parts p where p.oid = r.oid),
             case when r.kind = 'p' then ' partition by ' || pg_get_partkeydef(r.oid) else '' end,
             coalesce(' with (' || (select string_agg(o, ', ' order by o) from unnest(r.options) o) || ')', '')),
           (select string_agg(i.text, E'\\n' order by i.name) from indexes i where i.indrelid = r.oid and not i.of_constraint),
           (select string_agg(c.text, E'\\n' order by c.rank, c.number, c.name) from comments c where c.at = r.oid))
      from relations r where r.kind <> 'v'
    union all
    select 4, r.oid, r.name, concat_ws(E'\\n',
           format(E'create view orderwheel.%I as\\n%s', r.name, pg_get_viewdef(r.oid)),
           (select string_agg(c.text, E'\\n' order by c.rank, c.number, c.name) from comments c where c.at = r.oid))
      from relations r where r.kind = 'v'
    union all
    select 5, 0, r.name || t.tgname, concat_ws(E'\\n', pg_get_triggerdef(t.oid) || ';',
           format('comment on trigger %I on orderwheel.%I is %L;', t.tgname, r.name, obj_description(t.oid, 'pg_trigger')))
      from pg_trigger t join relations r on r.oid = t.tgrelid where not t.tgisinternal
    union all
    select 6, 0, '', 'grant usage on schema orderwheel to orderwheel_reader;'
    union all
    select 7, 0, r.name, format('grant %s on orderwheel.%I to orderwheel_reader;', string_agg(lower(a.privilege_type), ', ' order by a.privilege_type), r.name)
      from relations r, aclexplode(r.acl) a where a.grantee::regrole::text = 'orderwheel_reader' group by r.name
  )
  select text from texts order by stage, oid, name collate "C"`
