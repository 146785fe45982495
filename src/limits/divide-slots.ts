/** What another worker holds of a target's slots, and what it could use. */
export type OtherLease = { slots: number; wanted: number }

export type Share = {
  /** What the lease is to say: never more than is free, never less than is in use. */
  slots: number
  /** How many calls at a time the worker may make; below `slots` while it is to give some back. */
  cap: number
}

/**
 * One worker's share of a target's slots. It gets what it wants as long as there is enough; when another
 * worker is starved, each gets an equal part. Slots in use are never taken away, so after the limit was
 * lowered the sum shrinks as calls end; nothing new begins above it.
 */
export function divideSlots(
  allowed: number,
  { inUse, wanted }: { inUse: number; wanted: number },
  others: readonly OtherLease[],
): Share {
  const free = Math.max(0, allowed - others.reduce((sum, other) => sum + other.slots, 0))
  const wanting = others.filter((other) => other.wanted > 0).length + 1
  const entitled = Math.floor(allowed / wanting)
  const starved = others.some((other) => other.slots < Math.min(other.wanted, entitled))
  const fair = Math.min(wanted, entitled)
  const due = starved && entitled > 0 ? fair : Math.max(fair, Math.min(wanted, free))
  // What it is due but others still use is not free: it has to wait until they give it back.
  const cap = Math.min(due, free)
  return { slots: Math.max(inUse, cap), cap }
}
