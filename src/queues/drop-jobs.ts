import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

import { deadLetterQueue } from './declare-queues.ts'

type Job = { queue: string; id: string }

/**
 * Takes jobs and their copies in the dead-letter queues away, also those that a worker holds: it cannot settle them
 * any more. pg-boss's deleteJob() takes one queue at a time and refuses one that it does not have.
 */
export async function dropJobs(tx: Tx, jobs: readonly Job[]): Promise<void> {
  if (jobs.length === 0) return
  const all = jobs.flatMap(({ queue, id }) => [
    { name: queue, id },
    { name: deadLetterQueue(queue), id },
  ])
  await sql`
    delete from pgboss.job j
     using json_to_recordset(${JSON.stringify(all)}::json) as d(name text, id uuid)
     where j.name = d.name and j.id = d.id`.execute(tx)
}

/** Whether one of these has a job, whatever its state. Locks nothing. */
export async function hasJob(tx: Tx, jobs: readonly Job[]): Promise<boolean> {
  if (jobs.length === 0) return false
  const { rows } = await sql`
    select from pgboss.job j
      join json_to_recordset(${JSON.stringify(jobs)}::json) as d(queue text, id uuid)
        on j.name = d.queue and j.id = d.id
     limit 1`.execute(tx)
  return rows.length > 0
}
