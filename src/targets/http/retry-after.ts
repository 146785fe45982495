/** A target that asks for more is asked again after this, in case it meant less: an hour, as the longest retry delay. */
export const maxRetryAfterSeconds = 3_600

/**
 * `Retry-After` (RFC 9110, section 10.2.3) in whole seconds from `now`: from seconds or an HTTP date,
 * 0 when it is past, at most `maxRetryAfterSeconds`. Undefined when it is missing or neither.
 */
export function readRetryAfter(value: string | undefined, now: Date): number | undefined {
  const seconds = secondsOf(value?.trim() ?? '', now)
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(Math.ceil(seconds), 0), maxRetryAfterSeconds)
}

function secondsOf(value: string, now: Date): number {
  if (/^\d+$/.test(value)) return Number(value)
  // Date.parse alone would take '-5' for a date.
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return Number.NaN
  return (Date.parse(value) - now.getTime()) / 1_000
}
