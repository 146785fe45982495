import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { type Chunk, wanted, within } from './chunk.ts'
import type { Finding } from './finding.ts'

/** The queues of targets, also of those that left the configuration: pg-boss's schema may hold others' as well. */
export async function targetQueues(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from pgboss.queue where dead_letter = name || '.dead' order by name`.execute(db)
  return rows.map((row) => row.name)
}

/** Counts the live jobs of a piece of a queue, and looks at each. */
export async function checkJobs(
  db: Db,
  { queue, chunk }: { queue: string; chunk: Chunk },
): Promise<{ jobs: number; found: Finding[] }> {
  const { rows } = await sql<{ jobs: number; found: Finding[] }>`
    with ${wanted(chunk)}
    job as materialized (
      select j.id, j.state, j.priority, greatest(j.start_after, j.created_on) as due, coalesce(j.heartbeat_on, j.started_on) as seen
        from pgboss.job j
       where j.name = ${queue} and ${within('j.id', chunk)} and j.state < 'completed'
    ), open as materialized (
      select d.message_id as id from orderwheel.deliveries d
       where d.target = ${queue} and d.message_id = any(array(select id from job)) and d.settled_at is null
    ), called as materialized (
      select j.priority, max(j.created_on) as created_on
        from pgboss.job j where j.name = ${queue} and j.state = 'active' group by j.priority
    ), found as (
      select 'job-without-delivery' as kind, id, due as since from job
       where id not in (select id from open)
      union all
      select 'job-silent', id, seen from job
       where state = 'active' and seen < now() - ${rescuedWithin}
      union all
      select 'job-overtaken', id, due from job
       where state < 'active' and due < now() - ${inOrderWithin}
         and (exists (select from called
                       where called.priority <= job.priority and called.created_on > due + ${inOrderWithin})) is true
    )
    select (select count(*)::int from job) as jobs,
           coalesce((select json_agg(json_build_object(
             'kind', kind, 'orderId', null, 'messageId', id, 'target', ${queue}::text, 'since', since)) from found), '[]') as found`.execute(
    db,
  )
  return rows[0] ?? { jobs: 0, found: [] }
}

// A lost worker's jobs are taken back after 10–12 s, and 5 s later when the database was away.
const rescuedWithin = sql`interval '2 minutes'`

// Jobs are fetched in the order they were made, those that failed like others, within their priority. One that became due
// so much earlier than one that is being called has been passed over.
const inOrderWithin = sql`interval '15 minutes'`
