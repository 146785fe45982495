import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import type { Boss } from '#queues/open-boss.ts'
import { type JobToReplace, replaceJobs } from '#queues/replace-jobs.ts'

type Settled = { target: string; before: 'dead' | 'uncertain'; letterId: string | null }

/**
 * Gives a settled delivery, which must be locked, a job again and all its attempts: those it had are no longer
 * charged. One that may have reached its target is looked up there first, if the target has a lookup, and is sent
 * what was edited if anything was; a dead one is, if it was edited for its last letter (`letterId`). What is suspected
 * of taking workers down stays so until a call of it ends: its cause may not be mended.
 */
export async function tryAgain(
  tx: Tx,
  boss: Boss,
  { target, before, letterId, ...job }: JobToReplace & Settled,
): Promise<void> {
  const counts = await replaceJobs(tx, boss, { queue: target, replace: [job] })
  const lastFetch = counts.get(job.messageId) ?? job.lastFetch
  await sql`
    update orderwheel.deliveries
       set state = 'queued', settled_at = null, uncharged = attempts, last_fetch = ${lastFetch},
           edited = case when ${before} = 'uncertain' or edited_for = ${letterId}::uuid then edited end,
           ask_first = ask_first or ${before === 'uncertain'}
     where message_id = ${job.messageId} and target = ${target}`.execute(tx)
}
