import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { historyTables, type HistoryTable } from './history-tables.ts'

export type Partition = { table: HistoryTable; name: string; until: Date }

/** The partitions of the history, oldest first. A partition somebody attached by hand counts as well. */
export async function readPartitions(db: Db): Promise<Partition[]> {
  const { rows } = await sql<{ table: HistoryTable; name: string; until: string | null }>`
    select p.relname as "table", c.relname as name,
           substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([0-9a-f-]{36})''\\)') as until
      from pg_inherits i
      join pg_class p on p.oid = i.inhparent
      join pg_class c on c.oid = i.inhrelid
     where p.relnamespace = 'orderwheel'::regnamespace and p.relname = any(${[...historyTables]}::text[])
       and not i.inhdetachpending
     order by until`.execute(db)
  // One without an end, such as a default partition that somebody made, is nobody's month.
  return rows.flatMap(({ until, ...partition }) =>
    until === null ? [] : [{ ...partition, until: timeOf(until) }],
  )
}

// A bound is the first id of a month; its first 48 bits are the month's first millisecond.
function timeOf(id: string): Date {
  return new Date(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16))
}
