import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'

import type { Database, Db } from '#database/open-database.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { addMonths } from '#upkeep/add-months.ts'
import { type HistoryTable, historyTables } from '#upkeep/history-tables.ts'

/** A database, empty so far, whose first partitions end `months` months before this one. */
export async function beginMonthsAgo(db: Db, months: number): Promise<void> {
  const { rows } = await sql<{ name: string; until: string }>`
    select to_char(m, 'YYYY_MM') as name, orderwheel.first_id(m at time zone 'utc') as until
      from (select date_trunc('month', now() at time zone 'utc') - make_interval(months => ${months}) as m)`.execute(
    db,
  )
  const { name = '', until = '' } = rows[0] ?? {}
  for (const table of historyTables) {
    const whole = sql.table(`orderwheel.${table}`)
    const first = await sql<{ name: string }>`
      select inhrelid::regclass::text as name from pg_inherits
       where inhparent = ${`orderwheel.${table}`}::regclass`.execute(db)
    for (const part of first.rows) await sql`drop table ${sql.table(part.name)}`.execute(db)
    await sql`
      create table ${sql.table(`orderwheel.${table}_until_${name}`)} partition of ${whole}
        for values from (minvalue) to (${sql.lit(until)}) with (fillfactor = 77)`.execute(db)
  }
  await addMonths(db)
}

/** Drops the newest partitions of a table, empty as they are; answers their months, `2026-11`, the earliest first. */
export async function dropLastMonths(
  { pool }: Pick<Database, 'pool'>,
  table: HistoryTable,
  months: number,
): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits
      where inhparent = $1::regclass order by inhrelid desc limit $2`,
    [`orderwheel.${table}`, months],
  )
  for (const { name } of rows) await pool.query(`drop table ${name}`)
  return rows.map(({ name }) => name.slice(-7).replace('_', '-')).toReversed()
}

/** An order and its message as they were written `months` months ago. */
export async function placeOrderMonthsAgo(
  db: Db,
  months: number,
): Promise<{ orderId: string; messageId: string; externalId: string }> {
  const externalId = `WEB-${randomUUID().slice(0, 18)}`
  const { rows } = await sql<{ orderId: string; messageId: string }>`
    with shift as (
      select make_interval(months => -${months}::int) as by
    ), placed as (
      insert into orderwheel.orders
             (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
      select uuidv7(by), ${externalId}, uuidv7(), ${externalId}, sha256(''),
             ${JSON.stringify(exampleOrder(externalId))}, now() + by
        from shift
      returning id
    )
    insert into orderwheel.outbox (id, order_id, kind, created_at)
    select uuidv7(by), placed.id, 'order.placed', now() + by from placed, shift
    returning order_id as "orderId", id as "messageId"`.execute(db)
  const [order] = rows
  if (!order) throw new Error('No order was written.')
  return { ...order, externalId }
}
