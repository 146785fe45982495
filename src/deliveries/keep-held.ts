import { lostAfterSeconds } from '#queues/declare-queues.ts'
import { keepJobs } from '#queues/jobs.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'
import type { WorkerDeps } from './worker-deps.ts'

/**
 * Says every few seconds that these deliveries are still being worked on. Silence for `lostAfterSeconds`
 * costs the delivery: another worker takes it, and the fence keeps us out.
 */
export function keepHeld(
  target: string,
  { boss, log }: WorkerDeps,
  held: () => ClaimedDelivery[],
): { stop(): void } {
  async function beat() {
    const jobs = held().map((delivery) => delivery.job)
    if (jobs.length === 0) return
    try {
      await keepJobs(boss, { queue: target, held: jobs })
    } catch (error) {
      log.warn({ err: error, target }, 'heartbeat failed')
    }
  }
  const timer = setInterval(() => void beat(), (lostAfterSeconds * 1_000) / 3)
  return { stop: () => clearInterval(timer) }
}
