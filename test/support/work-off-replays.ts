import { type ReplayDeps, replayPass } from '#dead-letters/replay-pass.ts'
import { announceReplay, requestReplay, type ReplayRequest } from '#dead-letters/request-replay.ts'

const usual = { action: 'replay', who: 'ada', reason: null, ratePerSecond: 10_000 } as const

/** Asks for a replay, as fast as can be; throws when there is nothing to replay. */
export async function askForReplay(
  { db }: Pick<ReplayDeps, 'db'>,
  request: Partial<ReplayRequest> = {},
): Promise<string> {
  const requested = await db
    .transaction()
    .execute((tx) => requestReplay(tx, { filter: {}, ...usual, ...request }))
  if (requested.kind !== 'requested') throw new Error(`There is ${requested.kind} to replay.`)
  await announceReplay(db, requested.id)
  return requested.id
}

/** Works everything off that is due by now, as a worker does. */
export async function workOffDue(deps: ReplayDeps): Promise<{ done: number; refused: number }> {
  const sum = { done: 0, refused: 0 }
  for (;;) {
    const pass = await replayPass(deps)
    if (!pass) return sum
    sum.done += pass.done
    sum.refused += pass.refused
  }
}
