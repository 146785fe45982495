import { type RawBuilder, sql } from 'kysely'

import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'

import { changeTarget } from './change-target.ts'
import { lockPause, type Pause } from './lock-pause.ts'
import { recordChange } from './record-change.ts'

export type PauseRequest = {
  target: string
  who: string
  /** 1 … 1 000 characters. */
  reason: string
  /** When it ends by itself; null: when somebody resumes it. */
  end: { afterSeconds: number } | { at: Date } | null
}

export type Paused =
  /** `before`: it was paused already, and has this reason and end instead now. */
  | { kind: 'paused'; pause: Pause; before: Pause | null }
  | { kind: 'end-has-passed'; now: Date }
  | { kind: 'unknown-target' }

/**
 * Stops calling a target: workers begin no call to it within a second or so, what is in flight ends as it
 * ends, and its deliveries wait without an attempt being spent.
 */
export async function pauseTarget(db: Db, request: PauseRequest): Promise<Paused> {
  const paused = await db.transaction().execute((tx) => pause(tx, request))
  if (paused.kind === 'paused') await notifyOnce(db, 'orderwheel_targets', [request.target])
  return paused
}

async function pause(tx: Tx, request: PauseRequest): Promise<Paused> {
  const { target, who, reason, end } = request
  const found = await lockPause(tx, target)
  if (!found) return { kind: 'unknown-target' }
  if (end && 'at' in end && end.at <= found.now) return { kind: 'end-has-passed', now: found.now }
  if (found.over) await recordEnd(tx, request)
  const pause = await writePause(tx, request, found.pause)
  const until = pause.until ? ` (until ${pause.until.toISOString()})` : ''
  await recordChange(tx, {
    target,
    change: 'paused',
    words: `${reason}${until}`,
    who,
    reason,
    details: { before: found.pause, after: pause },
  })
  return { kind: 'paused', pause, before: found.pause }
}

// A worker would have written it, had one looked between the two pauses.
async function recordEnd(tx: Tx, { target, who }: PauseRequest): Promise<void> {
  const reason = 'the time it was paused for is over'
  await changeTarget(tx, { target, change: 'resumed', reason, who })
}

async function writePause(
  tx: Tx,
  { target, who, reason, end }: PauseRequest,
  before: Pause | null,
): Promise<Pause> {
  const { rows } = await sql<Pause>`
    update orderwheel.targets
       set paused_at = ${before ? sql.ref('paused_at') : sql`clock_timestamp()`},
           paused_until = ${endOf(end)}, paused_by = ${who}, pause_reason = ${reason}
     where name = ${target}
    returning paused_at as since, paused_by as by, pause_reason as reason, paused_until as until`.execute(
    tx,
  )
  const [written] = rows
  if (!written) throw new Error(`Target ${target} went away while it was locked.`)
  return written
}

function endOf(end: PauseRequest['end']): RawBuilder<unknown> {
  if (!end) return sql`null`
  return 'at' in end
    ? sql`${end.at}`
    : sql`clock_timestamp() + make_interval(secs => ${end.afterSeconds})`
}
