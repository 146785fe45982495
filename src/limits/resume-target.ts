import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'

import { clearPause, lockPause, type Pause } from './lock-pause.ts'
import { recordChange } from './record-change.ts'

export type ResumeRequest = { target: string; who: string; reason: string | null }

export type Resumed =
  | { kind: 'resumed'; before: Pause }
  /** `over`: the pause that ended by itself. */
  | { kind: 'not-paused'; over: Pause | null }
  | { kind: 'unknown-target' }

/** Ends a target's pause: workers call it again at once, as far as its circuit allows. */
export async function resumeTarget(db: Db, request: ResumeRequest): Promise<Resumed> {
  const resumed = await db.transaction().execute((tx) => resume(tx, request))
  if (resumed.kind === 'resumed') await notifyOnce(db, 'orderwheel_targets', [request.target])
  return resumed
}

async function resume(tx: Tx, { target, who, reason }: ResumeRequest): Promise<Resumed> {
  const found = await lockPause(tx, target)
  if (!found) return { kind: 'unknown-target' }
  // A pause that is over is cleared by the next worker, which writes down its end.
  if (!found.pause) return { kind: 'not-paused', over: found.over }
  await clearPause(tx, target)
  await recordChange(tx, {
    target,
    change: 'resumed',
    words: reason ?? 'no reason given',
    who,
    reason,
    details: { before: found.pause },
  })
  return { kind: 'resumed', before: found.pause }
}
