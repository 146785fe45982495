/** A dead letter that somebody decided on. */
export type ClosedLetter = {
  resolution: 'replayed' | 'discarded'
  at: Date | string
  by: string | null
  comment: string | null
  replayId: string | null
}

/** `It was replayed by ada at 2026-11-22 14:02:07Z (replay 0199…).` */
export function sayClosed({ resolution, at, by, comment, replayId }: ClosedLetter): string {
  const replay = replayId === null ? '' : ` (replay ${replayId})`
  const why = comment === null ? '' : `: ${comment}`
  return `It was ${resolution} by ${by ?? 'somebody'} at ${shortUtc(new Date(at))}${replay}${why}.`.slice(
    0,
    2_000,
  )
}

/** `2026-11-22 14:02:07Z` */
export function shortUtc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')}Z`
}
