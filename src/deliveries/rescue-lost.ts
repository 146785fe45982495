import { sql } from 'kysely'

import { withinIds } from '#database/id-bounds.ts'
import type { Db, Tx } from '#database/open-database.ts'
import { rescueJobs } from '#queues/jobs.ts'
import type { Boss } from '#queues/open-boss.ts'

/** What was taken back of one target; ids and workers for the log. */
export type Rescued = {
  jobs: number
  /** Of the first five. */
  jobIds: string[]
  /** The workers that held them, as far as their calls took long enough to be written down; five at most. */
  workers: string[]
}

const named = 5

/**
 * Takes back what dead workers held: their jobs are due at once, and their deliveries are shown as `retrying`,
 * not as being called until somebody claims them, which in a paused target may be tomorrow. Answers what, by
 * target. The attempts are recorded by the next claim.
 */
export async function rescueLost(
  db: Db,
  boss: Boss,
  targets: readonly string[],
): Promise<Map<string, Rescued>> {
  return db.transaction().execute(async (tx) => {
    const rescued = await rescueJobs(tx, boss, targets)
    const held = await endActive(tx, rescued)
    return new Map(
      [...rescued].map(([target, ids]) => {
        const workers = held.flatMap((one) =>
          one.target === target && one.worker !== null ? [one.worker] : [],
        )
        const some = { jobIds: ids.slice(0, named), workers: [...new Set(workers)].slice(0, named) }
        return [target, { jobs: ids.length, ...some }]
      }),
    )
  })
}

// When its call began, and whose it was, stays for the attempt that the next claim records.
async function endActive(
  tx: Tx,
  rescued: ReadonlyMap<string, readonly string[]>,
): Promise<{ target: string; worker: string | null }[]> {
  const lost = [...rescued].flatMap(([target, ids]) =>
    ids.map((id) => ({ message_id: id, target })),
  )
  if (lost.length === 0) return []
  const within = withinIds(
    'd.message_id',
    lost.map(({ message_id }) => message_id),
  )
  const { rows } = await sql<{ target: string; worker: string | null }>`
    with locked as materialized ( -- in the order in which everybody locks deliveries
      select d.message_id, d.target
        from json_to_recordset(${JSON.stringify(lost)}::json) as l(message_id uuid, target text)
        join orderwheel.deliveries d using (message_id, target)
       where d.state = 'active' and ${within}
       order by d.message_id, d.target
         for update of d
    )
    update orderwheel.deliveries d set state = 'retrying'
      from locked l
     where d.message_id = l.message_id and d.target = l.target and d.state = 'active' and ${within}
    returning d.target, d.worker`.execute(tx)
  return rows
}
