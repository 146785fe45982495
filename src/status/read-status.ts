import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { completedLastMinute } from '#queues/jobs.ts'

export type Status = {
  relay: {
    /** Messages not yet relayed. */
    waiting: number
    /** Of those, the ones the relay could not relay: a person should look. */
    refused: number
    /** Age of the oldest; null when there is none. */
    oldestSeconds: number | null
  }
  targets: TargetStatus[]
}

export type TargetStatus = {
  target: string
  waiting: number
  queued: number
  active: number
  retrying: number
  /** In the last minute. */
  deliveredPerMinute: number
  /** Age of the oldest open delivery; null when there is none. */
  oldestSeconds: number | null
  deadLetters: number
}

/**
 * What is open, per target, and how far behind the relay is. Reads open rows and the last minute only, whatever
 * the history's size.
 */
export async function readStatus(db: Db): Promise<Status> {
  const relay = await sql<Status['relay']>`
    select count(*)::int as waiting, count(*) filter (where refusals > 0)::int as refused,
           extract(epoch from now() - min(created_at))::float8 as "oldestSeconds"
      from orderwheel.outbox`.execute(db)
  const targets = await sql<Omit<TargetStatus, 'deliveredPerMinute'>>`
    select target, waiting::int, queued::int, active::int, retrying::int,
           extract(epoch from now() - oldest_open)::float8 as "oldestSeconds",
           dead_letters::int as "deadLetters"
      from orderwheel.target_health
     order by target`.execute(db)
  const names = targets.rows.map((row) => row.target)
  const delivered = await completedLastMinute(db, names)
  return {
    relay: relay.rows[0] ?? { waiting: 0, refused: 0, oldestSeconds: null },
    targets: targets.rows.map((row) => ({
      ...row,
      deliveredPerMinute: delivered.get(row.target) ?? 0,
    })),
  }
}
