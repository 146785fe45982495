import type { ApiKey } from './find-api-key.ts'

export type RateLimit = {
  admitted: boolean
  /** `RateLimit-Policy` and `RateLimit` (IETF draft), and `Retry-After` when not admitted. */
  headers: Record<string, string>
}

/**
 * Counts each key's requests in windows of one second that begin with the key's first request. The
 * limit is per process: two api processes admit twice as many.
 */
export function createRateLimiter(now: () => number = Date.now) {
  const windows = new Map<string, { endsAt: number; used: number }>()

  return function limitRate({ id, ratePerSecond }: ApiKey): RateLimit {
    const at = now()
    let window = windows.get(id)
    if (!window || window.endsAt <= at) {
      window = { endsAt: at + 1_000, used: 0 }
      windows.set(id, window)
    }
    window.used += 1
    const admitted = window.used <= ratePerSecond
    // Whole seconds, rounded up: the window never ends later than it says.
    const seconds = String(Math.ceil((window.endsAt - at) / 1_000))
    const remaining = Math.max(0, ratePerSecond - window.used)
    return {
      admitted,
      headers: {
        'ratelimit-policy': `"default";q=${ratePerSecond};w=1`,
        ratelimit: `"default";r=${remaining};t=${seconds}`,
        ...(!admitted && { 'retry-after': seconds }),
      },
    }
  }
}
