import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

import { announceReplay } from './request-replay.ts'
import type { ReplayState } from './take-replay.ts'

export type ReplayChange =
  | { kind: 'pause' }
  | { kind: 'resume' }
  /** What was not worked off stays a dead letter. */
  | { kind: 'cancel' }
  | { kind: 'rate'; ratePerSecond: number }

export type ChangeRequest = {
  id: string
  change: ReplayChange
  who: string
  reason: string | null
}

export type Changed =
  | { kind: 'changed'; before: Settings; after: Settings }
  /** It is not in a state for that. */
  | { kind: 'refused'; state: ReplayState; by: string | null; at: Date }
  | { kind: 'unknown' }

type Settings = { state: ReplayState; ratePerSecond: number }

/**
 * Pauses, resumes or cancels a replay, or changes its rate, and says so to whoever works it off; what is being worked
 * off at this moment is waited for.
 */
export async function changeReplay(db: Db, request: ChangeRequest): Promise<Changed> {
  const changed = await db.transaction().execute((tx) => change(tx, request))
  if (changed.kind !== 'changed') return changed
  await announceReplay(db, request.id)
  // It is cancelled, whatever comes of this.
  if (request.change.kind === 'cancel') await markCancelled(db, request.id).catch(() => {})
  return changed
}

async function change(tx: Tx, request: ChangeRequest): Promise<Changed> {
  const { id, change, who, reason } = request
  const before = await tx
    .selectFrom('orderwheel.replays')
    .select(['state', 'rate_per_second as ratePerSecond', 'changed_by as by', 'changed_at as at'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (!before) return { kind: 'unknown' }
  const { state, ratePerSecond, by, at } = before
  const after = applyChange({ state, ratePerSecond }, change)
  if (!after) return { kind: 'refused', state, by, at }
  await sql`
    update orderwheel.replays
       set state = ${after.state}, rate_per_second = ${after.ratePerSecond},
           changed_at = now(), changed_by = ${who},
           finished_at = ${after.state === 'cancelled' ? sql`now()` : sql`null`},
           next_at = ${change.kind === 'resume' ? sql`now()` : sql`least(next_at, now() + make_interval(secs => ${1 / after.ratePerSecond}))`}
     where id = ${id}`.execute(tx)
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: actions[change.kind],
      subject: id,
      reason,
      details: JSON.stringify({ before: { state, ratePerSecond }, after }),
    })
    .execute()
  return { kind: 'changed', before: { state, ratePerSecond }, after }
}

const actions: Readonly<Record<ReplayChange['kind'], string>> = {
  pause: 'replay.paused',
  resume: 'replay.resumed',
  cancel: 'replay.cancelled',
  rate: 'replay.rate-set',
}

/** Undefined: not from this state. */
function applyChange(before: Settings, change: ReplayChange): Settings | undefined {
  const isOpen = before.state === 'running' || before.state === 'paused'
  switch (change.kind) {
    case 'pause':
      return before.state === 'running' ? { ...before, state: 'paused' } : undefined
    case 'resume':
      return before.state === 'paused' ? { ...before, state: 'running' } : undefined
    case 'cancel':
      return isOpen ? { ...before, state: 'cancelled' } : undefined
    case 'rate':
      return isOpen ? { ...before, ratePerSecond: change.ratePerSecond } : undefined
    default:
      return change satisfies never
  }
}

// Many at once would take longer than a statement may.
const markedAtOnce = 10_000

/** What is left of a cancelled list. It counts as cancelled before it is marked, and if it never is: see readItems. */
async function markCancelled(db: Db, id: string): Promise<void> {
  const { total, workedOff } = await db
    .selectFrom('orderwheel.replays')
    .select(({ eb }) => ['total', eb('replayed', '+', eb.ref('refused')).as('workedOff')])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  for (let after = workedOff; after < total; after += markedAtOnce)
    await db
      .updateTable('orderwheel.replay_items')
      .set({ state: 'cancelled' })
      .where('replay_id', '=', id)
      .where('position', '>', after)
      .where('position', '<=', after + markedAtOnce)
      .where('state', '=', 'waiting')
      .execute()
}
