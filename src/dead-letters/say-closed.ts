import { storableText } from '#targets/storable-text.ts'

/** What replay_items.result takes. */
export const maxResultBytes = 2_000

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
  const said = `It was ${resolution} by ${by ?? 'somebody'} at ${shortUtc(new Date(at))}${replay}${why}.`
  return storableText(said, maxResultBytes)
}

/** `2026-11-22 14:02:07Z` */
export function shortUtc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')}Z`
}
