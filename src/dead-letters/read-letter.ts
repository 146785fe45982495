import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { AttemptOutcome, DeliveryState } from '#database/tables.ts'

import { type LetterRow, type LetterSummary, summaryOf } from './letter-summary.ts'

/** Everything that is known of a dead letter. */
export type LetterReport = LetterSummary & {
  attempts: LetterAttempt[]
  delivery: {
    /** Null: it is gone with its month of history. */
    state: DeliveryState | null
    /** An operator wrote another request. Not what: it names people, and who may read this may not read that. */
    isEdited: boolean
    /** That is what the next replay of this letter sends; it was sent to no one yet. */
    isEditDue: boolean
  }
  /** What was asked to be done with it along with others, the oldest first. */
  replays: LetterReplay[]
  /** The delivery's other dead letters, the oldest first: it died before, or again. */
  others: { id: string; diedAt: Date; resolution: 'replayed' | 'discarded' | null }[]
}

/** An attempt as it stood when the letter was written. */
export type LetterAttempt = {
  number: number
  startedAt: Date
  durationMs: number | null
  outcome: AttemptOutcome
  reason: string | null
  /** See Answer. */
  answer: unknown
  worker: string
  /** It counted against the limit. */
  charged: boolean
}

export type LetterReplay = {
  id: string
  action: 'replay' | 'discard'
  state: 'running' | 'paused' | 'cancelled' | 'finished'
  requestedBy: string
  createdAt: Date
  reason: string | null
  /** What became of this letter in it. */
  item: {
    state: 'waiting' | 'done' | 'refused' | 'cancelled'
    result: string | null
    workedOffAt: Date | null
  }
}

/** Undefined: there is no such letter. `id` must be a UUID. */
export async function readLetter(db: Db, id: string): Promise<LetterReport | undefined> {
  const { rows } = await sql<Row>`
    select l.id, l.target, l.group_id as "groupId", l.order_id as "orderId", l.message_id as "messageId",
           o.external_id as "externalId", m.kind, l.reason, l.status, l.code, l.died_at as "diedAt",
           l.resolution, l.resolved_at as "resolvedAt", l.resolved_by as "resolvedBy", l.comment,
           l.replay_id as "replayId", l.held_at as "heldAt", l.held_by as "heldBy", l.hold_reason as "holdReason",
           l.attempts as written, coalesce(d.attempts, jsonb_array_length(l.attempts)) as attempts, d.state,
           d.edited is not null as "isEdited",
           d.edited is not null and d.edited_for is not distinct from l.id and l.resolved_at is null as "isEditDue"
      from orderwheel.dead_letters l
      left join orderwheel.deliveries d on d.message_id = l.message_id and d.target = l.target
      left join orderwheel.messages m on m.id = l.message_id
      left join orderwheel.orders o on o.id = l.order_id
     where l.id = ${id}`.execute(db)
  const [row] = rows
  if (!row) return undefined
  const { state, isEdited, isEditDue, written } = row
  return {
    ...summaryOf(row),
    attempts: written.map(attemptOf),
    delivery: { state, isEdited, isEditDue },
    replays: await readReplays(db, id),
    others: await readOthers(db, row),
  }
}

type Row = LetterRow & LetterReport['delivery'] & { written: WrittenAttempt[] }

/** A row of delivery_attempts. Times are PostgreSQL's text; an older version may lack columns. */
type WrittenAttempt = {
  number: number
  started_at: string
  duration_ms?: number | null
  outcome: AttemptOutcome
  reason?: string | null
  answer?: unknown
  worker?: string
  charged?: boolean
}

function attemptOf(written: WrittenAttempt): LetterAttempt {
  return {
    number: written.number,
    startedAt: new Date(written.started_at),
    durationMs: written.duration_ms ?? null,
    outcome: written.outcome,
    reason: written.reason ?? null,
    answer: written.answer ?? null,
    worker: written.worker ?? 'unknown',
    charged: written.charged ?? true,
  }
}

async function readReplays(db: Db, letterId: string): Promise<LetterReplay[]> {
  const rows = await db
    .selectFrom('orderwheel.replay_items as i')
    .innerJoin('orderwheel.replays as r', 'r.id', 'i.replay_id')
    .select([
      'r.id',
      'r.action',
      'r.state',
      'r.requested_by as requestedBy',
      'r.created_at as createdAt',
      'r.reason',
      'i.state as itemState',
      'i.result',
      'i.worked_off_at as workedOffAt',
    ])
    .where('i.letter_id', '=', letterId)
    .orderBy('r.created_at')
    .execute()
  return rows.map(({ itemState, result, workedOffAt, ...replay }) => ({
    ...replay,
    item: { state: itemState, result, workedOffAt },
  }))
}

function readOthers(db: Db, { id, messageId, target }: Row): Promise<LetterReport['others']> {
  return db
    .selectFrom('orderwheel.dead_letters')
    .select(['id', 'died_at as diedAt', 'resolution'])
    .where('message_id', '=', messageId)
    .where('target', '=', target)
    .where('id', '!=', id)
    .orderBy('died_at')
    .execute()
}
