/** `2026-11-22 14:00:05.123Z`: UTC, as everywhere. */
export function formatTime(at: Date | string): string {
  return new Date(at).toISOString().replace('T', ' ')
}

/** As short as it can be told from `now`: `14:00Z` within half a day, else `2026-11-22 14:00Z`. */
export function shortTime(at: Date, now: Date): string {
  const [day, time = ''] = at.toISOString().split('T')
  const isNear = Math.abs(at.getTime() - now.getTime()) < 12 * 3_600_000
  return `${isNear ? '' : `${day} `}${time.slice(0, 5)}Z`
}
