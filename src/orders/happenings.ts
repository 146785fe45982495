import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { AttemptOutcome, DeliveryState } from '#database/tables.ts'
import { sayShed } from '#messages/say-shed.ts'
import { nextAttempts } from '#queues/next-attempts.ts'

/** What happened to an order, or to a message about none, and what each target was told. Times are ISO 8601 in UTC. */
export type Happenings = { messages: MessageReport[]; deliveries: DeliveryReport[] }

export type MessageReport = {
  id: string
  kind: string
  createdAt: string
  /** null: still in the outbox. */
  relayedAt: string | null
  /** Why the relay could not relay it. */
  refusal: string | null
}

export type DeliveryReport = {
  target: string
  message: { id: string; kind: string }
  state: DeliveryState
  attemptCount: number
  /** Those that ended; the one under way is only counted. */
  attempts: AttemptReport[]
  nextAttemptAt: string | null
  /** Why the last attempt failed; null once delivered. */
  lastError: string | null
  deliveredAt: string | null
  /** For state `dead`: the letter that waits for a decision. */
  deadLetterId: string | null
  /** For state `waiting`: the deliveries that have to be done first. */
  waitsFor: { target: string; messageId: string }[]
}

export type AttemptReport = {
  number: number
  startedAt: string
  durationMs: number | null
  outcome: AttemptOutcome
  reason: string | null
  answer: unknown
}

/** As `happenings` reads them. */
export type HappeningRows = { messages: MessageReport[]; deliveries: DeliveryRow[] }

type DeliveryRow = {
  target: string
  position: number
  messageId: string
  kind: string
  state: DeliveryState
  after: string[]
  attemptCount: number
  settledAt: string | null
  deadLetterId: string | null
  attempts: AttemptReport[]
}

/**
 * SQL of the columns `messages` and `deliveries`: of the order `o.id`, or of a message about none, which stands for
 * itself.
 */
export const happenings = sql`(select coalesce(json_agg(json_build_object(
                'id', m.id, 'kind', m.kind, 'createdAt', m.created_at,
                'relayedAt', m.relayed_at, 'refusal', m.refusal) order by m.position), '[]')
         from (select position, id, kind, created_at, relayed_at, null as refusal
                 from orderwheel.messages where order_id = o.id
               union all
               select position, id, kind, created_at, null, refusal
                 from orderwheel.outbox where order_id = o.id) m) as messages,
      (select coalesce(json_agg(json_build_object(
                'target', d.target, 'position', d.position, 'messageId', d.message_id, 'kind', m.kind, 'state', d.state,
                'after', d.after, 'attemptCount', d.attempts + (d.state = 'active')::int, 'settledAt', d.settled_at,
                'deadLetterId', case when d.state = 'dead' then (
                  select l.id from orderwheel.dead_letters l
                   where l.message_id = d.message_id and l.target = d.target and l.resolved_at is null
                   limit 1) end,
                'attempts', (
                  select coalesce(json_agg(json_build_object(
                           'number', a.number, 'startedAt', a.started_at, 'durationMs', a.duration_ms,
                           'outcome', a.outcome, 'reason', a.reason, 'answer', a.answer) order by a.number), '[]')
                    from orderwheel.delivery_attempts a
                   where a.message_id = d.message_id and a.target = d.target)
              ) order by d.position, d.target), '[]')
         from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
        where d.order_id = o.id) as deliveries`

/** For people: with the times at which pg-boss runs jobs again. */
export async function reportHappenings(db: Db, rows: HappeningRows): Promise<Happenings> {
  const jobs = await nextAttempts(db, rows.deliveries.filter(hasJob))
  return {
    messages: rows.messages.map((message) => ({
      ...message,
      createdAt: iso(message.createdAt),
      relayedAt: message.relayedAt && iso(message.relayedAt),
    })),
    deliveries: rows.deliveries.map((delivery) =>
      reportDelivery(
        delivery,
        rows.deliveries,
        jobs.get(`${delivery.target}:${delivery.messageId}`),
      ),
    ),
  }
}

function hasJob({ state }: DeliveryRow): boolean {
  return state === 'queued' || state === 'retrying'
}

function reportDelivery(
  delivery: DeliveryRow,
  all: readonly DeliveryRow[],
  nextAttemptAt: Date | undefined,
): DeliveryReport {
  const { target, messageId, kind, state, attemptCount, settledAt, deadLetterId, attempts } =
    delivery
  return {
    target,
    message: { id: messageId, kind },
    state,
    attemptCount,
    attempts: attempts.map((attempt) => ({ ...attempt, startedAt: iso(attempt.startedAt) })),
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
    lastError: lastErrorOf(delivery),
    deliveredAt: state === 'delivered' && settledAt ? iso(settledAt) : null,
    deadLetterId,
    waitsFor: state === 'waiting' ? inTheWay(delivery, all) : [],
  }
}

function lastErrorOf({ state, attempts }: DeliveryRow): string | null {
  if (state === 'shed') return sayShed
  return state === 'delivered' ? null : (attempts.at(-1)?.reason ?? null)
}

// What a delivery waits for: its `after` targets for the same message, and the same target's earlier messages.
function inTheWay(delivery: DeliveryRow, all: readonly DeliveryRow[]): DeliveryReport['waitsFor'] {
  return all
    .filter(({ state }) => !['delivered', 'skipped', 'shed', 'cancelled'].includes(state))
    .filter(({ target, messageId, position }) =>
      messageId === delivery.messageId
        ? delivery.after.includes(target)
        : target === delivery.target && position < delivery.position,
    )
    .map(({ target, messageId }) => ({ target, messageId }))
}

/** PostgreSQL writes its own session's offset and microseconds. */
export function iso(time: string): string {
  return new Date(time).toISOString()
}
