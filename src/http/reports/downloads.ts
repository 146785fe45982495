import { HttpProblem } from '#http/http-problem.ts'
import { takeTurns } from '#http/take-turns.ts'

/** Pieces read at a time, so connections of the pool, whoever downloads: orders and everything else have the others. */
const readsAtOnce = 2

/** The files that this process is sending. */
export function createDownloads({ maxDownloads }: { maxDownloads: number }) {
  let under = 0

  return {
    /** Takes a place for a download, or throws `too-many-downloads`. Answers what gives it back, once. */
    takePlace(): () => void {
      if (under >= maxDownloads) throw tooMany()
      under += 1
      return () => {
        under -= 1
      }
    },
    /** Runs the reading of a piece of a file that has a place. */
    inTurn: takeTurns({ maxAtOnce: readsAtOnce, maxWaiting: maxDownloads, refuse: tooMany }),
  }
}

export type Downloads = ReturnType<typeof createDownloads>

function tooMany(): HttpProblem {
  const detail = 'This process sends as many files as it does at a time. Try again in a moment.'
  return new HttpProblem('too-many-downloads', { detail }, { 'retry-after': '10' })
}
