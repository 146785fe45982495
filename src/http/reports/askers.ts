import { HttpProblem } from '#http/http-problem.ts'
import { takeTurns } from '#http/take-turns.ts'

/** So connections of the pool, whoever asks for reports: orders and everything else have the others. */
const askedAtOnce = 2

/** More than a key may wait for, so that those who come on top hear that. */
const mostWaitingOfKey = 20

/**
 * Who asks for reports takes a turn before a connection: requests of one key come one after the other, and would
 * wait for each other in the database.
 */
export function createAskers() {
  const inTurn = takeTurns({ maxAtOnce: askedAtOnce })
  const ofKeys = new Map<string, { inTurn: typeof inTurn; asking: number }>()

  return async function ask<T>(keyId: string, work: () => Promise<T>): Promise<T> {
    const ofKey = ofKeys.get(keyId) ?? { inTurn: turnsOfKey(), asking: 0 }
    ofKeys.set(keyId, ofKey)
    ofKey.asking += 1
    try {
      return await ofKey.inTurn(() => inTurn(work))
    } finally {
      ofKey.asking -= 1
      if (ofKey.asking === 0) ofKeys.delete(keyId)
    }
  }
}

function turnsOfKey() {
  return takeTurns({ maxAtOnce: 1, queue: { most: mostWaitingOfKey, refuse: tooManyAtOnce } })
}

function tooManyAtOnce(): HttpProblem {
  const detail = 'This key asks for too many reports at once. Ask again in a moment.'
  return new HttpProblem('too-many-reports', { detail }, { 'retry-after': '5' })
}
