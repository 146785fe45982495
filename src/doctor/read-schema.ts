import { readFile } from 'node:fs/promises'

import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

/** Definitions by what they are of: `column orderwheel.orders.id` → `uuid not null default uuidv7()`. */
export type Schema = Readonly<Record<string, string>>

/** Written by the tests from what the migrations make. */
export const schemaFile = new URL('../../migrations/schema.json', import.meta.url)

/** What the migrations of this build make. */
export async function expectedSchema(): Promise<Schema> {
  return JSON.parse(await readFile(schemaFile, 'utf8'))
}

/**
 * What schema `orderwheel` consists of: tables, columns, constraints, indexes, views, functions, triggers. Not its
 * partitions, which come and go.
 */
export async function readSchema(db: Db): Promise<Schema> {
  return db.transaction().execute(async (tx) => {
    // PostgreSQL leaves out the schema of whatever the role's own search_path finds.
    await sql`set local search_path = pg_catalog`.execute(tx)
    return describe(tx)
  })
}

async function describe(tx: Tx): Promise<Schema> {
  const { rows } = await sql<{ name: string; definition: string }>`
    with tables as materialized (
      select c.oid, c.relname, c.relkind
        from pg_class c
       where c.relnamespace = to_regnamespace('orderwheel') and not c.relispartition
    )
    select case relkind when 'v' then 'view' else 'table' end || ' orderwheel.' || relname as name,
           case relkind when 'v' then md5(pg_get_viewdef(oid)) when 'p' then pg_get_partkeydef(oid) else '' end as definition
      from tables where relkind in ('r', 'p', 'v')
    union all
    select format('column orderwheel.%s.%s', t.relname, a.attname),
           concat_ws(' ', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
                     case when a.attidentity <> '' then 'generated as identity' end,
                     case when a.attgenerated <> '' then 'generated always as' when d.adbin is not null then 'default' end,
                     pg_get_expr(d.adbin, d.adrelid))
      from tables t
      join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
     where t.relkind in ('r', 'p')
    union all
    select format('constraint orderwheel.%s.%s', t.relname, conname), pg_get_constraintdef(c.oid)
      from tables t join pg_constraint c on c.conrelid = t.oid
     -- what is not null is said of its column
     where contype <> 'n'
    union all
    select format('index orderwheel.%s', i.indexrelid::regclass::text), pg_get_indexdef(i.indexrelid)
      from tables t join pg_index i on i.indrelid = t.oid
     where not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = t.oid)
    union all
    select format('trigger orderwheel.%s.%s', t.relname, tgname),
           pg_get_triggerdef(g.oid) || case when tgenabled in ('O', 'A') then '' else ' (disabled)' end
      from tables t join pg_trigger g on g.tgrelid = t.oid
     where not tgisinternal
    union all
    select format('function %s', p.oid::regprocedure), md5(pg_get_functiondef(p.oid))
      from pg_proc p
     where p.pronamespace = to_regnamespace('orderwheel') and prokind in ('f', 'p')
     order by 1`.execute(tx)
  return Object.fromEntries(
    rows.map(({ name, definition }) => [
      name.replace('orderwheel.orderwheel.', 'orderwheel.'),
      definition,
    ]),
  )
}
