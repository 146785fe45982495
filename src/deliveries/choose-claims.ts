import type { JobsWanted } from '#queues/jobs.ts'

/** How many first attempts and retries to claim next. */
export type ClaimPlan = {
  /** In the order to claim them in, each with at most what the ones before left over. */
  steps: { only: NonNullable<JobsWanted['only']>; upTo: number }[]
}

// Of a target's slots, those that retries never take, so that a first attempt finds one soon.
const keptForFirst = 0.25
// Of what is claimed while both are due, the retries' part, so that an endless stream of orders does not hold
// them up for ever.
const retryShare = 0.25

export type ClaimRoom = {
  /** How many may be claimed, of all the worker's slots. */
  room: number
  slots: number
  /** Retries in the worker's hands. */
  retriesHeld: number
  retriesDue: boolean
  /** The target is being tried out after an outage. */
  isTrial: boolean
}

export type ClaimChooser = {
  plan(now: ClaimRoom): ClaimPlan
  claimed(counts: { first: number; retries: number }): void
}

/** Divides a target's slots between first attempts and retries: neither starves the other. */
export function createClaimChooser(): ClaimChooser {
  // Retries that first attempts have gone before: with one slot, every fourth claim is a retry.
  let owed = 0
  return {
    plan({ room, slots, retriesHeld, retriesDue, isTrial }) {
      if (!retriesDue) return { steps: [{ only: 'first', upTo: room }] }
      // Orders that always fail must not be what a target that is back is judged by.
      if (isTrial) {
        return {
          steps: [
            { only: 'first', upTo: room },
            { only: 'retries', upTo: room },
          ],
        }
      }
      const kept = slots > 1 ? Math.max(1, Math.floor(slots * keptForFirst)) : 0
      const most = Math.max(0, Math.min(room, slots - kept - retriesHeld))
      const turn = Math.min(most, Math.floor(owed + room * retryShare))
      return {
        steps: [
          { only: 'retries', upTo: turn },
          { only: 'first', upTo: room },
          { only: 'retries', upTo: most - turn },
        ],
      }
    },
    claimed({ first, retries }) {
      owed = Math.min(10, Math.max(0, owed + first * retryShare - retries))
    },
  }
}
