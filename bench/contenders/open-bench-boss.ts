import pg from 'pg'
import type { PgBoss } from 'pg-boss'

import { createLog } from '#base/log.ts'
import { openBoss } from '#queues/open-boss.ts'

import { given } from '../support/contender.ts'

/** pg-boss as the product opens it, on a pool of its own. */
export async function openBenchBoss() {
  const pool = new pg.Pool({ connectionString: given('DATABASE_URL'), max: 10 })
  // It is the whole of pg-boss; the product uses a part of it.
  const boss = (await openBoss({
    pool,
    supervise: false,
    name: 'bench',
    log: createLog('bench', 'warn'),
  })) as unknown as PgBoss
  return {
    boss,
    pool,
    close: async () => {
      await boss.stop()
      await pool.end()
    },
  }
}

/** Job data as the product's: an order's id. Ids of jobs and orders are in the order of time, as the product's are. */
export async function makeJobs(pool: pg.Pool, count: number) {
  const { rows } = await pool.query<{ id: string; orderId: string }>(
    `select uuidv7() as id, uuidv7() as "orderId" from generate_series(1, $1::int)`,
    [count],
  )
  return rows.map(({ id, orderId }) => ({
    id,
    data: { orderId },
    singletonKey: `order.placed:${orderId}`,
  }))
}
