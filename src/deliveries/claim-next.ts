import { isTransient } from '#database/transient-error.ts'
import type { Target } from '#targets/target.ts'

import { createClaimChooser, type ClaimRoom } from './choose-claims.ts'
import type { CircuitView } from './circuit-view.ts'
import { type ClaimedDelivery, claimDeliveries, type ClaimsWanted } from './claim-deliveries.ts'
import { claimOneByOne } from './claim-one-by-one.ts'
import type { HeldDelivery } from './tend-calls.ts'
import type { WorkerDeps } from './worker-deps.ts'

/** A claimed delivery, and the epoch of the circuit in which it was. */
export type Claimed = HeldDelivery & { isRetry: boolean; epoch: number }

export type ClaimNext = (room: ClaimRoom) => Promise<{
  found: Claimed[]
  /** There may be more than there was room for. */
  left: boolean
  /** No retry is due any more. */
  noRetryLeft: boolean
}>

/** Claims a target's next deliveries, first attempts and retries, each their share. */
export function createClaimNext(
  { name: target, isObsolete }: Pick<Target, 'name' | 'isObsolete'>,
  deps: WorkerDeps,
  circuit: Pick<CircuitView, 'epoch'>,
): ClaimNext {
  const chooser = createClaimChooser()
  const announced = isObsolete !== undefined

  async function claimSome(wanted: ClaimsWanted, isMore: boolean): Promise<ClaimedDelivery[]> {
    try {
      return await claimDeliveries(deps, wanted)
    } catch (error) {
      if (!isTransient(error)) return claimOneByOne(deps, wanted)
      if (!isMore) throw error
      // What is claimed already must be called; the rest is claimed another time.
      deps.log.warn({ err: error, target }, 'cannot claim deliveries, trying again')
      return []
    }
  }

  return async (room) => {
    const { steps } = chooser.plan(room)
    const { epoch } = circuit
    const found: Claimed[] = []
    let left = false
    let noRetryLeft = false
    for (const { only, upTo } of steps) {
      const count = Math.min(upTo, room.room - found.length)
      if (count <= 0) continue
      const keptAt = performance.now()
      const claimed = await claimSome({ queue: target, count, only, announced }, found.length > 0)
      left ||= claimed.length === count
      const isRetry = only === 'retries'
      noRetryLeft ||= isRetry && claimed.length < count
      found.push(...claimed.map((delivery) => ({ delivery, keptAt, isRetry, epoch })))
    }
    // Retries that may not be claimed yet are due all the same.
    left ||= room.retriesDue && !steps.some(({ only, upTo }) => only === 'retries' && upTo > 0)
    const retries = found.filter((claimed) => claimed.isRetry).length
    chooser.claimed({ first: found.length - retries, retries })
    return { found, left, noRetryLeft }
  }
}
