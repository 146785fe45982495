import type { Target } from '#targets/target.ts'

import type { Gate, Stay } from './beside-or-alone.ts'
import type { CircuitView } from './circuit-view.ts'
import type { Claimed } from './claim-next.ts'
import type { CountedCall } from './count-calls.ts'
import { countShortCalls } from './count-short-calls.ts'
import { lineUpSuspects } from './line-up-suspects.ts'
import { makeCall, mayStillCall, refused } from './make-call.ts'
import { refuseToCall } from './refuse-to-call.ts'
import type { Ended, SettleLoop } from './settle-loop.ts'
import { isSuspect } from './suspects.ts'
import type { Turn } from './keep-pace.ts'

export type SlotCalls = {
  /**
   * Takes over what was claimed. Calls it in the `slots` that were taken for it and those that are free; the
   * rest is kept until more are. Answers how many of `slots` it used.
   */
  add(claimed: readonly ClaimedTurn[], slots: number): number
  /** Calls what is kept in the slots that are free now, or gives it back when the target may not be called. */
  callKept(): void
  /** Gives back what has been kept for long: calls have become slower, and another worker may have slots. */
  giveBackOld(): void
  /**
   * How many to claim before there are slots for them, so that calls which end quickly wait for no claim, when
   * claiming takes so long.
   */
  ahead(claimMs: number): number
  /** Something was settled: the next suspect may be called. */
  settled(): void
  /** Deliveries that occupy slots, and those kept until there are more. */
  inSlots(): number
  kept(): number
  /** All of them. */
  held(): Claimed[]
  /** Ends the calls under way early. */
  cut(): void
}

/** A claimed delivery and its turn, when its target has a rate. */
export type ClaimedTurn = { claimed: Claimed; turn?: Turn }

export type SlotCallsOptions = {
  circuit: CircuitView
  settling: Pick<SettleLoop, 'add' | 'unsettled'>
  /** Of the process. */
  gate: Gate
  /** Writes down that a suspect is about to be called. False: it must not be. Never rejects. */
  markAlone: (claimed: Claimed) => Promise<boolean>
  /** Takes a slot, when there is a free one. */
  takeSlot: () => boolean
  slotFreed: () => void
  /**
   * Waits for the turn, and answers until when (performance.now()) the call may begin; undefined when it will not come.
   * Also for what was claimed before there was a rate.
   */
  waitForTurn: (turn: Turn | undefined) => Promise<number | undefined>
  /** The target is not to be called now. */
  isResting: () => boolean
  /** One more call may begin: `begun` are under way. */
  mayBegin: (begun: number) => boolean
}

// What a worker that dies may leave in doubt without need.
const mostAhead = 500
// Fewer would make claims dear that take next to no time; more would be given back.
const aheadMs = { least: 100, most: 500 }
// Another worker may have slots for it.
const keptForMs = 1_000
// Suspects that are given back: until then some of those that were called instead have ended.
const suspectAgainSeconds = 5

/**
 * Calls a target for claimed deliveries, each in a slot, and hands what they came to over to be settled. What
 * was claimed ahead of its slot follows in the order in which it was claimed.
 */
export function callInSlots(target: Target, options: SlotCallsOptions): SlotCalls {
  const { circuit, settling, gate } = options
  const inSlots = new Set<Claimed>()
  const kept: (ClaimedTurn & { since: number })[] = []
  const shortCalls = countShortCalls()
  // What a dead worker held may have been told. Where that is for a person to find out, nothing is held without need.
  const mayClaimAhead = target.idempotent || target.lookup !== undefined
  // Calls that began and have not ended.
  let begun = 0
  const suspects = lineUpSuspects({
    gate,
    carryOut,
    giveBack: (given) => giveBack(given, { againAfterSeconds: suspectAgainSeconds }),
    isUnsettled: (delivery) => settling.unsettled().some((one) => one.delivery === delivery),
  })
  gate.join(() => callKept())

  /** `stay`: of a suspect, which is called alone. */
  async function carryOut(one: ClaimedTurn, stay?: Stay) {
    const { claimed } = one
    inSlots.add(claimed)
    const call = await callOrRefuse(one, stay)
    if (call?.wasCalled) shortCalls.ended(call.end.durationMs)
    handOver(claimed, call, stay && { againAfterSeconds: suspectAgainSeconds })
    inSlots.delete(claimed)
    options.slotFreed()
  }

  // A refusal comes first: given back instead, the delivery would forget that its last call was lost.
  async function callOrRefuse({ claimed, turn }: ClaimedTurn, stay?: Stay) {
    const end = refuseToCall(target, claimed.delivery)
    if (end) return refused(end, claimed)
    const until = await options.waitForTurn(turn)
    if (until === undefined) return undefined
    if (stay) return (await isAlone(claimed, { stay, until })) ? callNow(claimed) : undefined
    return gate.isOpen() ? gate.beside(() => callNow(claimed)) : undefined
  }

  // Marked last: a worker that dies while it waits must leave no mark. The mark itself may take longer than the turn.
  async function isAlone(claimed: Claimed, { stay, until }: { stay: Stay; until: number }) {
    const isMarked = (await stay.untilAlone()) && (await options.markAlone(claimed))
    return isMarked && performance.now() <= until
  }

  async function callNow(claimed: Claimed) {
    if (!options.mayBegin(begun) || !mayStillCall(claimed, circuit)) return undefined
    begun += 1
    const call = await makeCall(target, claimed, circuit)
    begun -= 1
    return call
  }

  /** Without a call: given back. */
  function handOver(
    { delivery, keptAt }: Claimed,
    call: CountedCall | undefined,
    later?: Pick<Ended, 'againAfterSeconds'>,
  ) {
    settling.add({ delivery, keptAt, ...(call ? { call } : later) })
  }

  function giveBack(given: readonly ClaimedTurn[], later?: Pick<Ended, 'againAfterSeconds'>) {
    for (const { claimed } of given) {
      const end = refuseToCall(target, claimed.delivery)
      handOver(claimed, end && refused(end, claimed), later)
    }
  }

  function callKept() {
    if (options.isResting()) {
      giveBack(kept.splice(0))
      suspects.giveBack('all')
      return
    }
    // First: it is one of many, and could wait for ever.
    suspects.callFirst(options.takeSlot)
    while (gate.isOpen() && kept.length > 0 && options.takeSlot()) callFirst()
  }

  function callFirst() {
    const first = kept.shift()
    if (first) void carryOut(first)
  }

  return {
    add(claimed, slots) {
      const since = performance.now()
      for (const one of claimed) {
        const { delivery } = one.claimed
        if (isSuspect(delivery) && !refuseToCall(target, delivery)) suspects.add(one)
        else kept.push({ ...one, since })
      }
      const alone = suspects.callFirst(() => slots > 0) ? 1 : 0
      const used = gate.isOpen() ? Math.min(slots, kept.length + alone) : alone
      for (let n = alone; n < used; n += 1) callFirst()
      callKept()
      return used
    },
    callKept,
    giveBackOld() {
      const before = performance.now() - keptForMs
      const young = kept.findIndex(({ since }) => since > before)
      giveBack(kept.splice(0, young === -1 ? kept.length : young))
      suspects.giveBack('late')
    },
    settled: () => suspects.settled(),
    ahead(claimMs) {
      if (!mayClaimAhead || circuit.circuit !== 'closed') return 0
      const ms = Math.min(Math.max(claimMs, aheadMs.least), aheadMs.most)
      return Math.floor(Math.min(mostAhead, shortCalls.endIn(ms)))
    },
    inSlots: () => inSlots.size,
    kept: () => kept.length,
    held: () => [...inSlots, ...kept.map(({ claimed }) => claimed), ...suspects.waiting()],
    cut: () => inSlots.forEach((call) => call.cut?.()),
  }
}
