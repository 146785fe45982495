/** Why nobody may be charged from this database; undefined: they may be. */
export type WhyNotCharged = () => Promise<string | undefined>

// A copy does not become one while it runs, and whoever takes a database over stops the others first.
const knownForMs = 5_000

/** Whether this environment delivers from the database, as a worker does, asked at most every 5 s. Rejects as `read` does. */
export function askOwner(
  read: () => Promise<{ delivers: boolean; reason: string }>,
  now: () => number = () => performance.now(),
): WhyNotCharged {
  let known: { reason: Promise<string | undefined>; until: number } | undefined
  return () => {
    if (known && now() < known.until) return known.reason
    const reason = read().then((owner) => (owner.delivers ? undefined : owner.reason))
    const asked = { reason, until: now() + knownForMs }
    known = asked
    // Asked again by the next order.
    reason.catch(() => {
      if (known === asked) known = undefined
    })
    return reason
  }
}
