import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { oldestDueSeconds, waitingMessages } from '#database/outbox-backlog.ts'
import { type IntakeLimits, resumesAt } from '#messages/intake-limits.ts'

/** How far behind the relays are, as far as it matters to the intake. */
export type Backlog = {
  /** Messages that wait. Below nine tenths of the limit: no more than this. */
  waiting: number
  /** Whether `waiting` was counted to its end. */
  isExact: boolean
  /** Of the oldest; null when there is none, or its age does not matter. */
  oldestSeconds: number | null
  /** Grows by one with each message; those that were rolled back leave gaps. */
  newest: number
}

/** Two looks into indexes while little waits; a count of what waits, up to a quarter more than the limit, while much does. */
export async function readBacklog(db: Db, limits: IntakeLimits): Promise<Backlog> {
  const { maxWaiting, maxAgeSeconds } = limits
  const enough = Math.floor(maxWaiting * resumesAt)
  const most = maxWaiting + Math.max(100, Math.ceil(maxWaiting / 4))
  const { rows } = await sql<Omit<Backlog, 'isExact'>>`
    select coalesce((select position from orderwheel.outbox order by position desc limit 1), 0)::float8 as newest,
           ${waitingMessages({ enough, most })} as waiting,
           ${maxAgeSeconds === null ? sql`null` : oldestDueSeconds} as "oldestSeconds"`.execute(db)
  const { newest = 0, waiting = 0, oldestSeconds = null } = rows[0] ?? {}
  return { newest, waiting, oldestSeconds, isExact: waiting > enough && waiting < most }
}

/** Whether no further orders are taken. `wasOver`: they were not a moment ago. */
export function isOver(
  { waiting, oldestSeconds }: Pick<Backlog, 'waiting' | 'oldestSeconds'>,
  { maxWaiting, maxAgeSeconds }: IntakeLimits,
  wasOver: boolean,
): boolean {
  const part = wasOver ? resumesAt : 1
  const isOld = maxAgeSeconds !== null && (oldestSeconds ?? 0) > maxAgeSeconds * part
  return isOld || waiting > Math.floor(maxWaiting * part)
}
