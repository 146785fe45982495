import type { Db } from '#database/open-database.ts'
import { readLimits, type TargetLimits } from '#limits/read-limits.ts'

import { readStatus, type TargetStatus } from './read-status.ts'

export type TargetReport = TargetLimits &
  Omit<TargetStatus, 'circuit' | 'paused'> & {
    /** Whether workers begin calls as usual: it is not paused, and its circuit is closed. */
    isCalled: boolean
  }

/** Every target that a process ever declared, with its limits and what is open. `at`: the database's time. */
export async function readTargets(db: Db): Promise<{ at: Date; targets: TargetReport[] }> {
  const { targets: statuses } = await readStatus(db)
  const { at, targets } = await readLimits(db)
  const open = new Map(statuses.map((status) => [status.target, status]))
  return {
    at,
    targets: targets.flatMap((limits) => {
      const status = open.get(limits.target)
      // Declared between the two looks: the next one has it.
      if (!status) return []
      // Its circuit without what a target's answer says of people.
      const { circuit } = status
      const isCalled = limits.paused === null && circuit.state === 'closed'
      return [{ ...status, ...limits, circuit, isCalled }]
    }),
  }
}
