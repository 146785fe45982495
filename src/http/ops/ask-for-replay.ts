import type { Tx } from '#database/open-database.ts'
import type { LetterFilter } from '#dead-letters/letter-filter.ts'
import { readReplay } from '#dead-letters/read-replays.ts'
import { type ReplayRequest, requestReplay } from '#dead-letters/request-replay.ts'
import type { Answer } from '#http/answer-once.ts'
import { readTimes } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'

import { replayAnswer } from './replay-answers.ts'

/** Writes the list and answers 202 with it. Throws the problem that says why there is nothing on it. */
export async function askForReplay(
  tx: Tx,
  request: ReplayRequest,
): Promise<Answer<ReturnType<typeof replayAnswer>>> {
  const requested = await requestReplay(tx, request)
  switch (requested.kind) {
    case 'requested': {
      // In this transaction: nobody has worked on it yet.
      const report = await readReplay(tx, requested.id)
      if (!report) throw new Error(`Replay ${requested.id} is gone.`)
      return { status: 202, body: replayAnswer(report) }
    }
    case 'nothing':
      throw new HttpProblem('nothing-to-replay', {
        ...(requested.why === null ? {} : { detail: requested.why }),
        ...requested.who,
      })
    case 'too-many':
      throw new HttpProblem('too-many-dead-letters', {
        detail: `One list takes ${requested.most}: narrow it, with until say.`,
      })
    default:
      return requested satisfies never
  }
}

/** As the database takes them; times were checked by the schema. */
export function readFilter(body: WrittenFilter): LetterFilter {
  return readTimes(body)
}

type WrittenFilter = Omit<LetterFilter, 'since' | 'until'> & { since?: string; until?: string }
