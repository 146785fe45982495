/** A question that got lost with its connection is asked again. */
const lostAfterMilliseconds = 5_000

/**
 * Asks at most once in `forMilliseconds`, however often it is wanted: the answer under way, or that of a moment ago.
 * For routes that need no key.
 */
export function remembering<T>(
  ask: () => Promise<T>,
  forMilliseconds: number,
  now: () => number = Date.now,
): () => Promise<T> {
  let last: { until: number; answer: Promise<T> } | undefined
  return async function answer() {
    if (last && last.until > now()) return last.answer
    const asked = { until: now() + lostAfterMilliseconds, answer: ask() }
    last = asked
    try {
      return await asked.answer
    } finally {
      asked.until = now() + forMilliseconds
    }
  }
}
