import type { TargetOptions } from '#targets/target.ts'

type Priority = TargetOptions['priority']

/** The calls a worker process can have in flight, shared by its targets. */
export type WorkerSlots = {
  /** Takes up to `count`; what is refused is remembered, and `wake` is called when there may be more. */
  take(of: Applicant, count: number): number
  giveBack(of: Applicant, count: number): void
  /** It has nothing more to call for now. */
  leave(of: Applicant): void
}

export type Applicant = { priority: Priority; wake: () => void }

const highestFirst = ['high', 'normal', 'low'] as const satisfies Priority[]
// What a lower class gets even while a higher one could use everything.
const guaranteed: Record<Priority, number> = { high: 1, normal: 0.2, low: 0.1 }

/**
 * High before normal before low: while a higher class waits for slots, a lower one gets no more than its
 * guaranteed share, and that share is kept for it as soon as it waits. Nobody's slots are taken away; what
 * nobody of another class waits for, anybody gets.
 */
export function shareSlots(total: number): WorkerSlots {
  const inUse = { high: 0, normal: 0, low: 0 }
  const waiting = {
    high: new Set<Applicant>(),
    normal: new Set<Applicant>(),
    low: new Set<Applicant>(),
  }
  const shareOf = (priority: Priority) => Math.max(1, Math.floor(total * guaranteed[priority]))

  function available(priority: Priority): number {
    const free = total - inUse.high - inUse.normal - inUse.low
    const rank = highestFirst.indexOf(priority)
    const higherWaits = highestFirst.slice(0, rank).some((other) => waiting[other].size > 0)
    if (higherWaits) return Math.min(free, shareOf(priority) - inUse[priority])
    const kept = highestFirst
      .slice(rank + 1)
      .filter((other) => waiting[other].size > 0)
      .reduce((sum, other) => sum + Math.max(0, shareOf(other) - inUse[other]), 0)
    return free - kept
  }

  return {
    take(of, count) {
      const taken = Math.max(0, Math.min(count, available(of.priority)))
      inUse[of.priority] += taken
      if (taken < count) waiting[of.priority].add(of)
      else waiting[of.priority].delete(of)
      return taken
    },
    giveBack(of, count) {
      inUse[of.priority] -= count
      for (const priority of highestFirst)
        for (const applicant of waiting[priority]) applicant.wake()
    },
    leave(of) {
      waiting[of.priority].delete(of)
    },
  }
}
