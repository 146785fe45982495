import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

export type Pause = { since: Date; by: string; reason: string; until: Date | null }

/** A target's pause under the lock that its workers take as well; `over`: its end has passed, and nobody cleared it yet. */
export type LockedPause = { pause: Pause | null; over: Pause | null; now: Date }

/** Takes a pause away, by hand or because its time is over. The target's row must be locked. */
export async function clearPause(tx: Tx, target: string): Promise<void> {
  await tx
    .updateTable('orderwheel.targets')
    .set({ paused_at: null, paused_until: null, paused_by: null, pause_reason: null })
    .where('name', '=', target)
    .execute()
}

/** Locks a target against its workers and other operators until the transaction ends. Undefined: no such target. */
export async function lockPause(tx: Tx, target: string): Promise<LockedPause | undefined> {
  const { rows } = await sql<{
    since: Date | null
    by: string | null
    reason: string | null
    until: Date | null
    isOver: boolean
    now: Date
  }>`
    select paused_at as since, paused_by as by, pause_reason as reason, paused_until as until,
           coalesce(paused_until <= clock_timestamp(), false) as "isOver", clock_timestamp() as now
      from orderwheel.targets where name = ${target}
       for update`.execute(tx)
  const [row] = rows
  if (!row) return undefined
  const { since, by, reason, until, isOver, now } = row
  const pause = since && { since, by: by ?? 'unknown', reason: reason ?? '', until }
  return { pause: isOver ? null : pause, over: isOver ? pause : null, now }
}
