import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

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
 * Pauses, resumes or cancels a replay, or changes its rate; what is being worked off at this moment is waited for.
 * Call `announceReplay` after the commit.
 */
export async function changeReplay(tx: Tx, request: ChangeRequest): Promise<Changed> {
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
  if (change.kind === 'cancel') await cancelItems(tx, id)
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

async function cancelItems(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('orderwheel.replay_items')
    .set({ state: 'cancelled' })
    .where('replay_id', '=', id)
    .where('state', '=', 'waiting')
    .execute()
}
