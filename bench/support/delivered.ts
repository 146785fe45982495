import type pg from 'pg'

import type { BenchDatabase } from '../scenario.ts'

/** Now, by the database's clock, as deliveries are dated. */
export async function databaseTime(pool: pg.Pool): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now')
  const [row] = rows
  if (!row) throw new Error('the database has no time')
  return row.now
}

/** Deliveries a second that were settled between two moments. Reads the whole table: not while measuring. */
export async function deliveredPerSecond(
  { pool }: BenchDatabase,
  from: Date,
  to: Date,
): Promise<number> {
  const { rows } = await pool.query<{ delivered: number }>(
    `select count(*)::int as delivered from orderwheel.deliveries
      where state = 'delivered' and settled_at >= $1 and settled_at < $2`,
    [from, to],
  )
  return (rows[0]?.delivered ?? 0) / ((to.getTime() - from.getTime()) / 1_000)
}

/** Jobs that wait for a target, counted up to `most`. */
export async function countWaiting(
  { pool }: BenchDatabase,
  target: string,
  most: number,
): Promise<number> {
  const { rows } = await pool.query<{ waiting: number }>(
    `select count(*)::int as waiting from (
       select from pgboss.job where name = $1 and state = 'created' limit $2)`,
    [target, most],
  )
  return rows[0]?.waiting ?? 0
}
