import type { Tx } from '#database/open-database.ts'
import type { TargetChange } from '#database/tables.ts'

/** Writes down that something about a target changed, in the transaction that changes it. */
export async function changeTarget(
  tx: Tx,
  change: { target: string; change: TargetChange; reason: string; who: string },
): Promise<void> {
  await tx
    .insertInto('orderwheel.target_changes')
    .values({ ...change, reason: change.reason.slice(0, 2_000) })
    .execute()
}
