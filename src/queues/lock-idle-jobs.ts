import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

export type IdleJob = {
  queue: string
  id: string
  /** How often it was fetched. */
  fetches: number
}

/**
 * Locks those of these jobs that nobody works on, so that nobody fetches them until this transaction ends. One that is
 * being fetched at this moment, or locked for another reason, is passed over, not waited for.
 */
export async function lockIdleJobs(
  tx: Tx,
  jobs: readonly { queue: string; id: string }[],
): Promise<IdleJob[]> {
  if (jobs.length === 0) return []
  // pg-boss counts every fetch but a job's first.
  const { rows } = await sql<IdleJob>`
    select j.name as queue, j.id, j.retry_count + (j.state = 'retry')::int as fetches
      from json_to_recordset(${JSON.stringify(jobs)}::json) as w(queue text, id uuid)
      join pgboss.job j on j.name = w.queue and j.id = w.id
     where j.state in ('created', 'retry')
       for update of j skip locked`.execute(tx)
  return rows
}
