import { setTimeout } from 'node:timers/promises'

import { sql } from 'kysely'
import pg from 'pg'

import type { Db, Tx } from '#database/open-database.ts'

import { historyTables, monthStart } from './history-tables.ts'
import { type Partition, readPartitions } from './read-partitions.ts'

export type Dropped =
  | { kind: 'dropped'; until: Date }
  /** Something of that time is not done with, and it stays with all that came later. */
  | { kind: 'kept'; until: Date; reason: string }

/**
 * Drops the months of history that ended at least `keepMonths` months (1 or more) before this one began, oldest
 * first, up to the first that still has something open, a dead or uncertain delivery, a held dead letter, or an order
 * that somebody is still to be told something of. Reads that whole month to find out. Waits for the tables' locks for 0.7 s at a time, five times;
 * rejects when it cannot have them.
 */
export async function dropMonths(db: Db, keepMonths: number): Promise<Dropped[]> {
  const dropped: Dropped[] = []
  for (;;) {
    const month = await oldestMonth(db, keepMonths)
    if (!month) return dropped
    const { until } = month
    const reason =
      (await whyWaits(db, until)) ??
      (await whyKept(db, until)) ??
      (await whyOrdersKept(db, until)) ??
      (await keepEndings(db, until)) ??
      (await dropPatiently(db, month))
    if (reason !== undefined) return [...dropped, { kind: 'kept', until, reason }]
    dropped.push({ kind: 'dropped', until })
  }
}

type Month = { until: Date; partitions: Partition[] }

async function oldestMonth(db: Db, keepMonths: number): Promise<Month | undefined> {
  const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db)
  const partitions = await readPartitions(db)
  const until = partitions[0]?.until
  if (!until || !rows[0] || until > monthStart(rows[0].now, -keepMonths)) return undefined
  return { until, partitions: partitions.filter((one) => one.until.getTime() === until.getTime()) }
}

// What is done with stays so, but for what changed since: see whyStillKept.
async function whyKept(db: Db, until: Date): Promise<string | undefined> {
  const before = sql`message_id < orderwheel.first_id(${until})`
  const { rows } = await sql<{ undone: string | null; held: boolean }>`
    select (select state from orderwheel.deliveries
             where ${before} and (settled_at is null or state in ('dead', 'uncertain')) limit 1) as undone,
           exists (select from orderwheel.dead_letters where ${before} and held_at is not null) as held`.execute(
    db,
  )
  if (rows[0]?.undone) return `a delivery of that time is ${rows[0].undone}`
  return rows[0]?.held ? 'a dead letter of that time is held' : undefined
}

// Who is told of a cancellation, and what they are told, follows from what they were told before.
async function whyOrdersKept(db: Db | Tx, until: Date): Promise<string | undefined> {
  const end = sql`orderwheel.first_id(${until})`
  const { rows } = await sql<{ orderId: string }>`
    select later.order_id as "orderId"
      from (select order_id from orderwheel.deliveries
             where (settled_at is null or state = 'uncertain') and message_id >= ${end} and order_id < ${end}
            union all
            select order_id from orderwheel.dead_letters
             where resolved_at is null and message_id >= ${end} and order_id < ${end}) later
     where exists (select from orderwheel.deliveries d
                    where d.order_id = later.order_id and d.message_id < ${end})
     limit 1`.execute(db)
  return rows[0] && `order ${rows[0].orderId} of that time is being told of, or dead or uncertain`
}

// By the hour: a statement has to end within 30 s, and what it locks keeps others waiting.
async function keepEndings(db: Db, until: Date): Promise<undefined> {
  for (let since: Date | undefined = new Date(0); since;) {
    const { rows }: { rows: { next: Date }[] } = await sql<{ next: Date }>`
      select next, orderwheel.keep_endings(next - interval '1 hour', least(next, ${until}))
        from (select uuid_extract_timestamp(id) + interval '1 hour' as next
                from orderwheel.messages
               where id >= orderwheel.first_id(${since}) and id < orderwheel.first_id(${until})
               order by id limit 1) hour`.execute(db)
    since = rows[0]?.next
  }
}

// Before all else: what is relayed meanwhile could be told, and be over, before the month is dropped.
async function whyWaits(db: Db | Tx, until: Date): Promise<string | undefined> {
  const end = sql`orderwheel.first_id(${until})`
  const { rows } = await sql<{ waits: boolean }>`
    select exists (select from orderwheel.outbox where id < ${end} and kind not like 'order.%')
        or exists (select from orderwheel.outbox b
                    where order_id < ${end}
                      and (id < ${end}
                           or exists (select from orderwheel.deliveries d
                                       where d.order_id = b.order_id and d.message_id < ${end}))) as waits`.execute(
    db,
  )
  return rows[0]?.waits
    ? 'a message of that time, or about an order of it, is in the outbox'
    : undefined
}

// Under the locks, by indexes only: what changed since.
async function whyStillKept(tx: Tx, until: Date): Promise<string | undefined> {
  const before = sql`message_id < orderwheel.first_id(${until})`
  const { rows } = await sql<{ undone: boolean }>`
    select exists (select from orderwheel.deliveries where settled_at is null and ${before})
        or exists (select from orderwheel.dead_letters
                    where ${before} and (resolved_at is null or held_at is not null)) as undone`.execute(
    tx,
  )
  if (rows[0]?.undone) return 'a delivery of that time is open again, or its letter held'
  return (await whyWaits(tx, until)) ?? whyOrdersKept(tx, until)
}

async function dropPatiently(db: Db, month: Month): Promise<string | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await db.transaction().execute((tx) => drop(tx, month))
    } catch (error) {
      const isBusy = error instanceof pg.DatabaseError && /^(55P03|40P01)$/.test(error.code ?? '')
      if (!isBusy || tries === 5) throw error
      await setTimeout(1_000)
    }
  }
}

// All locks first, in the order in which everybody locks the tables: a partition is dropped under its whole's lock.
// `only`: other months may be being vacuumed.
async function drop(tx: Tx, { until, partitions }: Month): Promise<string | undefined> {
  await sql`set local lock_timeout = '700ms'`.execute(tx)
  const locked = historyTables.flatMap((table) => [
    table,
    ...partitions.filter((one) => one.table === table).map(({ name }) => name),
  ])
  for (const table of locked)
    await sql`lock table only ${sql.table(`orderwheel.${table}`)} in access exclusive mode`.execute(
      tx,
    )
  const reason = await whyStillKept(tx, until)
  if (reason !== undefined) return reason
  for (const { name } of partitions)
    await sql`drop table ${sql.table(`orderwheel.${name}`)}`.execute(tx)
  await sql`insert into orderwheel.dropped_history (until) values (${until}) on conflict do nothing`.execute(
    tx,
  )
  return undefined
}
