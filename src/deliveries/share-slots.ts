import type { TargetOptions } from '#targets/target.ts'

type Priority = TargetOptions['priority']

/** The calls a worker process can have in flight, shared by its targets. */
export type WorkerSlots = {
  /** From now on a part is kept for it, at most the calls at a time that it could make. */
  join(of: Applicant, concurrency: () => number): void
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

// The part that is divided evenly among the targets and kept for them: others may hang for as long as they like.
const keptForTargets = 0.5

/**
 * Each target has a part of its own, which nobody else takes. With the rest, high before normal before low:
 * while a higher class waits for slots, a lower one gets no more than its guaranteed share, and that share is
 * kept for it as soon as it waits. Nobody's slots are taken away; what nobody of another class waits for,
 * anybody gets.
 */
export function shareSlots(total: number): WorkerSlots {
  const joined = new Map<Applicant, () => number>()
  const usedBy = new Map<Applicant, number>()
  const inUse = { high: 0, normal: 0, low: 0 }
  const waiting = {
    high: new Set<Applicant>(),
    normal: new Set<Applicant>(),
    low: new Set<Applicant>(),
  }
  const shareOf = (priority: Priority) => Math.max(1, Math.floor(total * guaranteed[priority]))

  function unused(of: Applicant): number {
    const evenly = Math.max(1, Math.floor((total * keptForTargets) / joined.size))
    const part = Math.min(evenly, joined.get(of)?.() ?? 0)
    return Math.max(0, part - (usedBy.get(of) ?? 0))
  }

  function available(of: Applicant): number {
    const free = total - inUse.high - inUse.normal - inUse.low
    const keptForOthers = [...joined.keys()]
      .filter((other) => other !== of)
      .reduce((sum, other) => sum + unused(other), 0)
    return Math.max(Math.min(free, unused(of)), byPriority(of.priority, free - keptForOthers))
  }

  function byPriority(priority: Priority, free: number): number {
    const rank = highestFirst.indexOf(priority)
    const higherWaits = highestFirst.slice(0, rank).some((other) => waiting[other].size > 0)
    if (higherWaits) return Math.min(free, shareOf(priority) - inUse[priority])
    const kept = highestFirst
      .slice(rank + 1)
      .filter((other) => waiting[other].size > 0)
      .reduce((sum, other) => sum + Math.max(0, shareOf(other) - inUse[other]), 0)
    return free - kept
  }

  function use(of: Applicant, count: number) {
    inUse[of.priority] += count
    usedBy.set(of, (usedBy.get(of) ?? 0) + count)
  }

  return {
    join(of, concurrency) {
      joined.set(of, concurrency)
    },
    take(of, count) {
      const taken = Math.max(0, Math.min(count, available(of)))
      use(of, taken)
      if (taken < count) waiting[of.priority].add(of)
      else waiting[of.priority].delete(of)
      return taken
    },
    giveBack(of, count) {
      use(of, -count)
      for (const priority of highestFirst)
        for (const applicant of waiting[priority]) applicant.wake()
    },
    leave(of) {
      waiting[of.priority].delete(of)
    },
  }
}
