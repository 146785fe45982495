import type { Db } from '#database/open-database.ts'
import type { TargetChange } from '#database/tables.ts'

export type ChangeReport = { at: Date; change: TargetChange; reason: string | null; who: string }

// Enough for a bad week of a circuit; older ones are for psql.
const most = 1_000

/** What happened to a target's circuit, pause and limits, newest last; the last 1 000. */
export async function readChanges(db: Db, target: string): Promise<ChangeReport[]> {
  const newest = await db
    .selectFrom('orderwheel.target_changes')
    .select(['at', 'change', 'reason', 'who'])
    .where('target', '=', target)
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(most)
    .execute()
  return newest.toReversed()
}
