import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

export type ReplayAction = 'replay' | 'discard'
export type ReplayState = 'running' | 'paused' | 'cancelled' | 'finished'

/** A replay in this transaction's hands, and the places in its list that are due. */
export type TakenReplay = {
  id: string
  action: ReplayAction
  who: string
  reason: string | null
  /** Dead letters a second. */
  rate: number
  total: number
  workedOff: number
  /** From when on the rate counts, as text that the database reads back without loss. */
  since: string
  positions: number[]
}

/**
 * Locks the running replay that is due for longest; one that another process has in its hands is passed over. What
 * is due is counted by the database's time from `next_at` on, and at most a second's worth: what nobody worked off
 * for an hour is not made up for at once.
 */
export async function takeReplay(
  tx: Tx,
  { only, most }: { only: string | undefined; most: number },
): Promise<TakenReplay | undefined> {
  const { rows } = await sql<Omit<TakenReplay, 'positions'> & { due: number }>`
    select id, action, requested_by as who, reason, rate_per_second as rate, total,
           replayed + refused as "workedOff", since::text,
           least(1 + floor(extract(epoch from now() - since) * rate_per_second),
                 ${most}::int, total - replayed - refused)::int as due
      from orderwheel.replays
     cross join lateral (
       select greatest(next_at, now() - make_interval(secs => greatest(0, 1 - 1 / rate_per_second))) as since)
     where state = 'running' and next_at <= now() and ${isMeant(only)}
     order by next_at
     limit 1
       for update of replays skip locked`.execute(tx)
  const [row] = rows
  if (!row) return undefined
  const { due, ...taken } = row
  // Worked off in their order, without a gap: so they need not be looked for.
  const positions = Array.from({ length: due }, (_, at) => taken.workedOff + 1 + at)
  return { ...taken, positions }
}

/** Seconds until a running replay (`only`: this one) is due, below 0 when it is overdue; null when none runs. */
export async function secondsUntilDue(db: Db, only?: string): Promise<number | null> {
  const { rows } = await sql<{ seconds: number | null }>`
    select extract(epoch from min(next_at) - clock_timestamp())::float8 as seconds
      from orderwheel.replays
     where state = 'running' and ${isMeant(only)}`.execute(db)
  return rows[0]?.seconds ?? null
}

function isMeant(only: string | undefined) {
  return only === undefined ? sql`true` : sql`id = ${only}::uuid`
}
