import type pg from 'pg'

import { exampleOrder } from '#messages/example-order.ts'

import type { Bench, BenchDatabase } from '../scenario.ts'
import { copyRelayed, keepSeed, refuseDifference } from './copy-relayed.ts'
import { databaseTime } from './delivered.ts'

export type Backlog = {
  /** Adds `count` waiting deliveries with everything that belongs to them, the oldest first, in bulk. */
  add(count: number): Promise<void>
}

/**
 * Prepares filling the queue of one target faster than the relay would: one order is really relayed, and
 * what the product wrote for it is copied with other ids. What is copied is whatever the product writes
 * today, column by column; a copy that differs in anything but ids and times throws.
 */
export async function prepareBacklog(
  bench: Bench,
  database: BenchDatabase,
  env: Record<string, string>,
): Promise<Backlog> {
  const { pool } = database
  await placeSeed(pool)
  const relay = bench.startOrderwheel(['relay', '--drain'], { DATABASE_URL: database.url, ...env })
  if ((await relay.ended) !== 0) throw new Error(`the relay failed:\n${relay.output()}`)
  await pool.query(keepSeed)
  const add = createCopier(pool)
  await add(1)
  await refuseDifference(pool)
  return { add }
}

async function placeSeed(pool: pg.Pool): Promise<void> {
  await pool.query(
    `with placed as (
       insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
       values ('SEED', uuidv7(), 'SEED', sha256('SEED'), $1)
       returning id
     )
     insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed`,
    [exampleOrder('SEED')],
  )
}

// The relay's batch: jobs of one transaction have the same time, which fetching sorts by.
const relayedAtATime = 500
// A statement's worth; more would only wait for its own commit.
const copiedAtATime = 10_000
const connections = 2

function createCopier(pool: pg.Pool) {
  let made = 0
  return async function add(count: number): Promise<void> {
    const end = made + count
    const now = await databaseTime(pool)
    const copyNext = async () => {
      while (made < end) {
        const from = made
        made = Math.min(end, made + copiedAtATime)
        await pool.query(copyRelayed, [from, made - 1, end, relayedAtATime, now])
      }
    }
    await Promise.all(Array.from({ length: connections }, copyNext))
  }
}
