/** `0.4 s`, `12 s`, `3 min`, `5 h`, `2 days`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/** For a table's cell: `12s`, `3m`, `5h`, `2d`. */
export function shortDuration(seconds: number): string {
  if (seconds < 100) return `${Math.max(0, Math.round(seconds))}s`
  if (seconds < 6_000) return `${Math.round(seconds / 60)}m`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)}h`
  return `${Math.round(seconds / 86_400)}d`
}
