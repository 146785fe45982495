import pg from 'pg'

import { eventually } from './eventually.ts'
import type { TestDatabase } from './test-database.ts'

/** Starts all of these, lets each of them run into the rows that `lock` locks, and only then lets them go on. */
export async function actAtOnce<T>(
  { connection, pool }: Pick<TestDatabase, 'connection' | 'pool'>,
  { lock, acts }: { lock: string; acts: readonly (() => Promise<T>)[] },
): Promise<T[]> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    await client.query('begin')
    await client.query(lock)
    const acting = acts.map((act) => act())
    await eventually(async () => {
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rowCount === acts.length
    })
    await client.query('commit')
    return await Promise.all(acting)
  } finally {
    await client.end()
  }
}
