import type { Gate, Stay } from './beside-or-alone.ts'
import type { ClaimedTurn } from './call-in-slots.ts'
import type { ClaimedDelivery } from './claim-deliveries.ts'
import type { Claimed } from './claim-next.ts'

export type SuspectLine = {
  add(one: ClaimedTurn): void
  /** Calls the first, when none is being called and there is a slot. Answers whether it does. */
  callFirst(takeSlot: () => boolean): boolean
  /** Something was settled: when it was the one that was called, the next one may be. */
  settled(): void
  /** Gives back those that would have to wait for long, or all. */
  giveBack(which: 'late' | 'all'): void
  waiting(): Claimed[]
}

export type LineOptions = {
  gate: Gate
  /** Calls it, and hands over what it came to. */
  carryOut: (one: ClaimedTurn, stay: Stay) => Promise<void>
  giveBack: (given: readonly ClaimedTurn[]) => void
  isUnsettled: (delivery: ClaimedDelivery) => boolean
}

// Who is called within this time stays in line; another worker may call the others at once.
const patienceMs = 5_000
const longest = 50

/**
 * Deliveries that may take the process down wait here for their turn: one is called at a time, alone in its process,
 * and the next one, or any other, only when what came of it is committed. If the process dies, it was that one.
 */
export function lineUpSuspects({
  gate,
  carryOut,
  giveBack,
  isUnsettled,
}: LineOptions): SuspectLine {
  const line: ClaimedTurn[] = []
  // From one that is called to the next.
  let turnMs = patienceMs
  let leaving: { delivery: ClaimedDelivery; stay: Stay } | undefined

  function settled() {
    if (!leaving || isUnsettled(leaving.delivery)) return
    const { stay } = leaving
    leaving = undefined
    stay.leave()
  }

  async function callAlone(one: ClaimedTurn, stay: Stay) {
    const begunAt = performance.now()
    await carryOut(one, stay)
    // The other calls get as much time before the next one.
    turnMs = Math.max(1, 2 * (performance.now() - begunAt))
    leaving = { delivery: one.claimed.delivery, stay }
    settled()
  }

  return {
    add(one) {
      if (line.length >= longest) giveBack([one])
      else line.push(one)
    },
    callFirst(takeSlot) {
      if (line.length === 0 || !gate.isFree() || !takeSlot()) return false
      const first = line.shift()
      if (first) void callAlone(first, gate.enter())
      return true
    },
    settled,
    giveBack(which) {
      const soon = which === 'all' ? 0 : Math.max(1, Math.floor(patienceMs / turnMs))
      giveBack(line.splice(soon))
    },
    waiting: () => line.map(({ claimed }) => claimed),
  }
}
