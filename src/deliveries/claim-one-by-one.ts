import { isTransient } from '#database/transient-error.ts'
import { endJobs, type JobsWanted, takeJobs } from '#queues/jobs.ts'

import { type ClaimedDelivery, claimDeliveries } from './claim-deliveries.ts'
import type { WorkerDeps } from './worker-deps.ts'

// Long enough not to be in the way, short enough that a mended row shows soon.
const parkSeconds = 300

/**
 * Claims deliveries one at a time after a batch failed for a reason of its own: the row that cannot be
 * claimed is put off and logged, and the target's other deliveries go on.
 */
export async function claimOneByOne(
  deps: WorkerDeps,
  wanted: JobsWanted,
): Promise<ClaimedDelivery[]> {
  const claimed: ClaimedDelivery[] = []
  for (let tries = 0; tries < wanted.count; tries += 1) {
    try {
      claimed.push(...(await claimDeliveries(deps, { ...wanted, count: 1 })))
    } catch (error) {
      // What is claimed already must be called, whatever happened to the rest.
      if (isTransient(error) || !(await isParked(deps, wanted, error))) break
    }
  }
  return claimed
}

async function isParked(deps: WorkerDeps, wanted: JobsWanted, error: unknown): Promise<boolean> {
  try {
    await parkNext(deps, wanted, error)
    return true
  } catch (failure) {
    deps.log.warn({ err: failure, target: wanted.queue }, 'cannot claim deliveries, trying again')
    return false
  }
}

async function parkNext({ db, boss, log }: WorkerDeps, wanted: JobsWanted, error: unknown) {
  const target = wanted.queue
  await db.transaction().execute(async (tx) => {
    const [job] = await takeJobs(tx, boss, { ...wanted, count: 1 })
    if (!job) return
    const end = { kind: 'retry', afterSeconds: parkSeconds } as const
    await endJobs(tx, boss, { queue: target, ends: [{ job, end }] })
    // This fetch was no attempt: nobody called anybody. An earlier one that was lost stays one to be found.
    await tx
      .updateTable('orderwheel.deliveries')
      .set(({ eb }) => ({ last_fetch: eb('last_fetch', '+', 1) }))
      .where('message_id', '=', job.id)
      .where('target', '=', target)
      .execute()
    log.error({ err: error, target, jobId: job.id }, 'delivery cannot be claimed, put off')
  })
}
