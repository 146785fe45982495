import type { Tx } from '#database/open-database.ts'
import { endJobs, type HeldJob } from '#queues/jobs.ts'

import { type ClaimedDelivery, claimDeliveries, type ClaimsWanted } from './claim-deliveries.ts'
import type { WorkerDeps } from './worker-deps.ts'

// What is claimed here gets no heartbeat before all of it is: it must not look lost. The rest is claimed next time.
const claimForMs = 4_000
// Long enough not to be in the way, short enough that a mended row shows soon.
const parkSeconds = 300

/**
 * Claims deliveries one at a time after a batch failed for a reason of its own: the row that cannot be
 * claimed is put off and logged, and the target's other deliveries go on.
 */
export async function claimOneByOne(
  deps: WorkerDeps,
  wanted: ClaimsWanted,
): Promise<ClaimedDelivery[]> {
  const claimed: ClaimedDelivery[] = []
  const until = performance.now() + claimForMs
  for (let tries = 0; tries < wanted.count && performance.now() < until; tries += 1) {
    try {
      const one = { ...wanted, count: 1 }
      claimed.push(...(await claimDeliveries(deps, one, park)))
    } catch (error) {
      // What is claimed already must be called, whatever happened to the rest.
      deps.log.warn({ err: error, target: wanted.queue }, 'cannot claim deliveries, trying again')
      break
    }
  }
  return claimed

  async function park(tx: Tx, jobs: readonly HeldJob[], error: unknown) {
    const target = wanted.queue
    const end = { kind: 'retry', afterSeconds: parkSeconds } as const
    await endJobs(tx, deps.boss, { queue: target, ends: jobs.map((job) => ({ job, end })) })
    const ids = jobs.map((job) => job.id)
    // This fetch was no attempt: nobody called anybody. An earlier one that was lost stays one to be found.
    await tx
      .updateTable('orderwheel.deliveries')
      .set(({ eb }) => ({ last_fetch: eb('last_fetch', '+', 1) }))
      .where('message_id', 'in', ids)
      .where('target', '=', target)
      .execute()
    deps.log.error({ err: error, target, jobId: ids[0] }, 'delivery cannot be claimed, put off')
  }
}
