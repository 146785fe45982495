import { type AttemptCount, countAttempts } from '#limits/count-attempts.ts'

import type { Settlement } from './decide-settlement.ts'
import type { WorkerDeps } from './worker-deps.ts'

/** A worker's count of attempts, written down now and then. What is not yet is lost with the worker. */
export type Tally = {
  add(target: string, settlements: readonly Settlement[]): void
  /** Costs no query when there is nothing new. */
  writeDown: () => Promise<void>
}

export function createTally({ db, worker }: Pick<WorkerDeps, 'db' | 'worker'>): Tally {
  const counts = new Map<string, AttemptCount>()
  return {
    add(target, settlements) {
      const count = counts.get(target) ?? { target, delivered: 0, failed: 0 }
      for (const { attempt } of settlements) {
        if (attempt?.outcome === 'delivered') count.delivered += 1
        else if (attempt) count.failed += 1
      }
      if (count.delivered + count.failed > 0) counts.set(target, count)
    },
    async writeDown() {
      const written = [...counts.values()]
      counts.clear()
      await countAttempts(db, worker, written)
    },
  }
}
