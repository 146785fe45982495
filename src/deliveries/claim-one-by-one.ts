import { isTransient } from '#database/transient-error.ts'
import { endJobs, takeJobs } from '#queues/jobs.ts'

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
  { target, count }: { target: string; count: number },
): Promise<ClaimedDelivery[]> {
  const claimed: ClaimedDelivery[] = []
  for (let tries = 0; tries < count; tries += 1) {
    try {
      claimed.push(...(await claimDeliveries(deps, { target, count: 1 })))
    } catch (error) {
      // What is claimed already must be called, whatever happened to the rest.
      if (isTransient(error) || !(await isParked(deps, target, error))) break
    }
  }
  return claimed
}

async function isParked(deps: WorkerDeps, target: string, error: unknown): Promise<boolean> {
  try {
    await parkNext(deps, target, error)
    return true
  } catch (failure) {
    deps.log.warn({ err: failure, target }, 'cannot claim deliveries, trying again')
    return false
  }
}

async function parkNext({ db, boss, log }: WorkerDeps, target: string, error: unknown) {
  await db.transaction().execute(async (tx) => {
    const [job] = await takeJobs(tx, boss, { queue: target, count: 1 })
    if (!job) return
    const end = { kind: 'retry', afterSeconds: parkSeconds } as const
    await endJobs(tx, boss, { queue: target, ends: [{ job, end }] })
    log.error({ err: error, target, jobId: job.id }, 'delivery cannot be claimed, put off')
  })
}
