const firstMs = 250
const longestMs = 5_000

/**
 * Milliseconds before the next attempt: anything up to a bound that doubles, so that storefronts that failed together
 * do not come back together; after `Retry-After`, which is waited for in full.
 */
export function pauseMs(attempt: number, retryAfterSeconds = 0): number {
  const bound = Math.min(longestMs, firstMs * 2 ** (attempt - 1))
  return retryAfterSeconds * 1_000 + Math.random() * bound
}
