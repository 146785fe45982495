import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

import { historyTables, monthName, monthStart, type HistoryTable } from './history-tables.ts'
import { readPartitions } from './read-partitions.ts'

// Enough for somebody to notice that nobody adds any more, and to mend it.
const monthsAhead = 3

/**
 * Makes sure that each table of the history has partitions for this month and the next three. New ones are attached
 * ready-made, which locks nobody out. Answers the names of those added. Safe from several processes at once;
 * rejects when this role does not own the tables.
 */
export async function addMonths(db: Db): Promise<string[]> {
  return db.transaction().execute(async (tx) => {
    await sql`select set_config('lock_timeout', '700ms', true),
                     pg_advisory_xact_lock(hashtext('orderwheel'), hashtext('upkeep'))`.execute(tx)
    const partitions = await readPartitions(tx)
    const now = await sql<{ now: Date }>`select now() as now`.execute(tx)
    const last = monthStart(now.rows[0]?.now ?? new Date(Number.NaN), monthsAhead)
    const added: string[] = []
    for (const table of historyTables) {
      const newest = partitions.filter((one) => one.table === table).at(-1)
      if (!newest) throw new Error(`Table orderwheel.${table} has no partitions.`)
      for (let month = newest.until; month <= last; month = monthStart(month, 1))
        added.push(await addMonth(tx, { table, month, like: newest.name }))
    }
    return added
  })
}

// As the newest one is stored: what a DBA set for it (autovacuum, fillfactor) holds on.
async function addMonth(
  tx: Tx,
  { table, month, like }: { table: HistoryTable; month: Date; like: string },
): Promise<string> {
  const name = `${table}_${monthName(month)}`
  const whole = sql.raw(`orderwheel.${table}`)
  const part = sql.raw(`orderwheel.${name}`)
  const stored = await sql<{ options: string | null }>`
    select array_to_string(reloptions, ', ') as options
      from pg_class where oid = ${`orderwheel.${like}`}::regclass`.execute(tx)
  const options = stored.rows[0]?.options
  const kept = options ? sql`with (${sql.raw(options)})` : sql``
  const about = `What happened in ${monthName(month).replace('_', '-')}: a partition of ${table}.`
  const bounds = await sql<{ from: string; to: string }>`
    select orderwheel.first_id(${month}) as "from", orderwheel.first_id(${monthStart(month, 1)}) as "to"`.execute(
    tx,
  )
  const { from = '', to = '' } = bounds.rows[0] ?? {}
  await sql`create table ${part} (like ${whole} including all) ${kept}`.execute(tx)
  await sql`comment on table ${part} is ${sql.lit(about)}`.execute(tx)
  await sql`
    alter table ${whole} attach partition ${part}
      for values from (${sql.lit(from)}) to (${sql.lit(to)})`.execute(tx)
  return name
}
