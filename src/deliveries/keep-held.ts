import { heartbeatSeconds } from '#queues/declare-queues.ts'
import { keepJobs } from '#queues/jobs.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'
import type { WorkerDeps } from './worker-deps.ts'

/**
 * Tells pg-boss three times per heartbeat that these deliveries are still being worked on, so that two
 * lost beats cost nothing. One missed for longer costs the delivery: the fence then keeps us out.
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
  const timer = setInterval(() => void beat(), (heartbeatSeconds * 1_000) / 3)
  return { stop: () => clearInterval(timer) }
}
