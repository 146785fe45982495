import { HttpProblem } from '#http/http-problem.ts'
import { takeTurns } from '#http/take-turns.ts'

/** A download's place among those of its process. */
export type DownloadPlace = {
  /** Reads a piece of the file when its turn has come; one piece after the other. */
  read: <T>(piece: () => Promise<T>) => Promise<T>
  /** Gives the place back as soon as no read is under way; may be called twice. */
  leave: () => void
}

/** Pieces read at a time, so connections of the pool, whoever downloads: orders and everything else have the others. */
const readsAtOnce = 2

/** The files that this process is sending. */
export function createDownloads({ maxDownloads }: { maxDownloads: number }) {
  // However slowly one key reads, another one finds a place.
  const maxOfKey = Math.max(1, Math.floor(maxDownloads / 2))
  const ofKeys = new Map<string, number>()
  let under = 0
  // Each place waits for one turn at most: nobody who has one is refused.
  const inTurn = takeTurns({ maxAtOnce: readsAtOnce })

  function giveBack(keyId: string) {
    under -= 1
    const left = (ofKeys.get(keyId) ?? 1) - 1
    if (left === 0) ofKeys.delete(keyId)
    else ofKeys.set(keyId, left)
  }

  return {
    /** Takes a place for a download of this key, or throws `too-many-downloads`. */
    takePlace(keyId: string): DownloadPlace {
      const ofKey = ofKeys.get(keyId) ?? 0
      if (under >= maxDownloads) throw tooMany()
      if (ofKey >= maxOfKey) throw tooManyOfKey()
      under += 1
      ofKeys.set(keyId, ofKey + 1)
      return createPlace(inTurn, () => giveBack(keyId))
    },
  }
}

// Who asks and hangs up leaves a read behind, which waits for its turn: others would wait behind any number of those.
function createPlace(inTurn: DownloadPlace['read'], giveBack: () => void): DownloadPlace {
  let state: 'taken' | 'leaving' | 'left' = 'taken'
  let reads = 0

  function giveBackWhenDone() {
    if (state !== 'leaving' || reads > 0) return
    state = 'left'
    giveBack()
  }

  return {
    async read(piece) {
      reads += 1
      try {
        return await inTurn(piece)
      } finally {
        reads -= 1
        giveBackWhenDone()
      }
    },
    leave() {
      if (state === 'taken') state = 'leaving'
      giveBackWhenDone()
    },
  }
}

function tooMany(): HttpProblem {
  const detail = 'This process sends as many files as it does at a time. Try again in a moment.'
  return new HttpProblem('too-many-downloads', { detail }, { 'retry-after': '10' })
}

function tooManyOfKey(): HttpProblem {
  const detail =
    'This process sends this key as many files as it does at a time: half of all. Try again when one of them has come.'
  return new HttpProblem('too-many-downloads', { detail }, { 'retry-after': '10' })
}
