import { setTimeout } from 'node:timers/promises'

import { sql } from 'kysely'
import pg from 'pg'

import type { Db, Tx } from '#database/open-database.ts'

import { historyTables, monthStart } from './history-tables.ts'
import { readPartitions } from './read-partitions.ts'

export type Dropped =
  | { kind: 'dropped'; until: Date }
  /** Something of that time is not done with, and it stays with all that came later. */
  | { kind: 'kept'; until: Date; reason: string }

/**
 * Drops the months of history that ended at least `keepMonths` months (1 or more) before this one began, oldest
 * first, up to the first that still has something open, a dead or uncertain delivery, or a held dead letter. Waits for the tables'
 * locks for 0.7 s at a time, five times; rejects when it cannot have them.
 */
export async function dropMonths(db: Db, keepMonths: number): Promise<Dropped[]> {
  const dropped: Dropped[] = []
  for (;;) {
    const result = await patiently(() =>
      db.transaction().execute((tx) => dropOldest(tx, keepMonths)),
    )
    if (result) dropped.push(result)
    if (result?.kind !== 'dropped') return dropped
  }
}

async function dropOldest(tx: Tx, keepMonths: number): Promise<Dropped | undefined> {
  const { rows } = await sql<{ now: Date }>`
    select now() as now, set_config('lock_timeout', '700ms', true),
           pg_advisory_xact_lock(hashtext('orderwheel'), hashtext('upkeep'))`.execute(tx)
  const partitions = await readPartitions(tx)
  const until = partitions[0]?.until
  if (!until || !rows[0] || until > monthStart(rows[0].now, -keepMonths)) return undefined
  const reason = await whyKept(tx, until)
  if (reason !== undefined) return { kind: 'kept', until, reason }
  // All at once, in the order in which everybody locks them: a partition is dropped under its whole's lock.
  const whole = historyTables.map((table) => sql.raw(`orderwheel.${table}`))
  await sql`lock table ${sql.join(whole)} in access exclusive mode`.execute(tx)
  for (const { name } of partitions.filter((one) => one.until.getTime() === until.getTime()))
    await sql`drop table ${sql.table(`orderwheel.${name}`)}`.execute(tx)
  await sql`insert into orderwheel.dropped_history (until) values (${until}) on conflict do nothing`.execute(
    tx,
  )
  return { kind: 'dropped', until }
}

async function whyKept(tx: Tx, until: Date): Promise<string | undefined> {
  const before = sql`message_id < orderwheel.first_id(${until})`
  const { rows } = await sql<{ undone: string | null; held: boolean }>`
    select (select state from orderwheel.deliveries
             where ${before} and (settled_at is null or state in ('dead', 'uncertain')) limit 1) as undone,
           exists (select from orderwheel.dead_letters where ${before} and held_at is not null) as held`.execute(
    tx,
  )
  if (rows[0]?.undone) return `a delivery of that time is ${rows[0].undone}`
  return rows[0]?.held ? 'a dead letter of that time is held' : undefined
}

async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      const isBusy = error instanceof pg.DatabaseError && /^(55P03|40P01)$/.test(error.code ?? '')
      if (!isBusy || tries === 5) throw error
      await setTimeout(1_000)
    }
  }
}
