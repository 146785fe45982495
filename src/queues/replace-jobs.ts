import { fromKysely } from 'pg-boss'
import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

import { deadLetterQueue } from './declare-queues.ts'
import { addJobs, hasQueue, type JobToAdd } from './jobs.ts'
import type { Boss } from './open-boss.ts'

/** A job to be had again; `lastFetch`: the highest count of fetches known of the old one, -1 when it never was. */
export type JobToReplace = JobToAdd & { lastFetch: number }

/**
 * Gives messages a job again, under the same id, instead of one that ended and may be deleted by now. Its
 * fetches are counted on from where the old one's ended, so that the fence still keeps out a worker that
 * comes back with the old one in its hands. Answers that count by message. A copy in the dead-letter queue
 * goes: a later death has to leave one under this id.
 */
export async function replaceJobs(
  tx: Tx,
  boss: Boss,
  { queue, replace }: { queue: string; replace: readonly JobToReplace[] },
): Promise<Map<string, number>> {
  const ids = replace.map(({ messageId }) => messageId)
  const old = await fetchCounts(tx, queue, ids)
  const counts = new Map(
    replace.map(({ messageId, lastFetch }) => [
      messageId,
      Math.max(lastFetch, old.get(messageId) ?? -1),
    ]),
  )
  await boss.deleteJob(queue, ids, { db: fromKysely(tx) })
  await unburyJobs(tx, boss, { queue, ids })
  const added = await addJobs(tx, boss, { queue, add: replace })
  if (added.length !== replace.length)
    throw new Error(`Queue ${queue} took ${added.length} of ${replace.length} replaced jobs.`)
  await countOn(tx, queue, counts)
  return counts
}

/** Takes the copies of dead deliveries out of the dead-letter queue: somebody decided. */
export async function unburyJobs(
  tx: Tx,
  boss: Boss,
  { queue, ids }: { queue: string; ids: string[] },
): Promise<void> {
  const dead = deadLetterQueue(queue)
  // pg-boss refuses to speak of a queue that it does not have.
  const { rows } = await sql`select where ${hasQueue(sql`${dead}`)}`.execute(tx)
  if (rows.length > 0) await boss.deleteJob(dead, ids, { db: fromKysely(tx) })
}

async function fetchCounts(tx: Tx, queue: string, ids: string[]): Promise<Map<string, number>> {
  const { rows } = await sql<{ id: string; count: number }>`
    select id, retry_count as count from pgboss.job
     where name = ${queue} and id = any(${ids}::uuid[])`.execute(tx)
  return new Map(rows.map(({ id, count }) => [id, count]))
}

// pg-boss adds one at every fetch but a job's first. These jobs are ours: they were added in this transaction.
async function countOn(tx: Tx, queue: string, counts: ReadonlyMap<string, number>): Promise<void> {
  const first = [...counts].map(([id, count]) => ({ id, count: count + 1 }))
  await sql`
    update pgboss.job j set retry_count = f.count
      from json_to_recordset(${JSON.stringify(first)}::json) as f(id uuid, count int)
     where j.name = ${queue} and j.id = f.id`.execute(tx)
}
