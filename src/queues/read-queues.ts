import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

export type QueueReport = {
  name: string
  deadLetter: string | null
  /** After so many seconds pg-boss deletes a job that waits, silently. */
  retentionSeconds: number
  /** After so many seconds pg-boss gives a running job to somebody else. */
  expireSeconds: number
  /** Whether any job waits or runs in it. */
  isUsed: boolean
}

/** pg-boss's queues, without its own. */
export async function readQueues(db: Db): Promise<QueueReport[]> {
  const { rows } = await sql<QueueReport>`
    select q.name, q.dead_letter as "deadLetter", q.retention_seconds as "retentionSeconds",
           q.expire_seconds as "expireSeconds",
           exists (select from pgboss.job j where j.name = q.name and j.state < 'completed') as "isUsed"
      from pgboss.queue q
     where q.name not like '\\_\\_pgboss\\_\\_%'
     order by q.name`.execute(db)
  return rows
}
