import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { isClaimed } from './claim-verification.ts'
import { knownWatermark } from './known-watermark.ts'
import type { Walk } from './walk.ts'

export type Due = {
  /** Of what is open or new since the last one. */
  sinceLast: boolean
  /** Of everything: it has begun, was asked for, or is a day ago. */
  full: boolean
}

// Half of what somebody who watches a shop would wait for; each costs less than a second of it.
const every = sql`interval '5 minutes'`
const fullEvery = sql`interval '1 day'`

/** What is to be verified now, unless another process does it at this moment. What a clock said that was ahead is void. */
export async function readDue(db: Db): Promise<Due> {
  const { rows } = await sql<Due>`
    select w.watermark is not null and (tried.at is null or s.requested_at is not null and not s.request_full and failed.at is null)
             as "sinceLast",
           (s.full_walk is not null or w.watermark is null or s.request_full
            or coalesce(s.full_at, '-infinity') not between now() - ${fullEvery} and now()) and failed.at is null as full
      from orderwheel.verify_state s
     cross join lateral (select ${knownWatermark} as watermark) w
      left join lateral (select v.finished_at as at from orderwheel.verifications v
                          where v.finished_at between now() - ${every} and now() limit 1) tried on true
      left join lateral (select v.finished_at as at from orderwheel.verifications v
                          where v.finished_at between now() - ${every} and now() and v.failure is not null limit 1) failed on true
     where not ${isClaimed}`.execute(db)
  return rows[0] ?? { sinceLast: false, full: false }
}

/** Somebody asks for a verification: a relay begins it within seconds. Who asked is in the audit log. */
export async function requestVerification(
  db: Db,
  { who, isFull }: { who: string; isFull: boolean },
): Promise<Date> {
  const { rows } = await sql<{ at: Date }>`
    with asked as (
      update orderwheel.verify_state
         set requested_at = now(), requested_by = ${who.slice(0, 200)}, request_full = request_full or ${isFull}
      returning requested_at
    ), noted as (
      insert into orderwheel.audit_log (who, action, subject, details)
      select ${who.slice(0, 200)}, 'verify.requested', 'verify', jsonb_build_object('full', ${isFull}::boolean) from asked
    )
    select requested_at as at from asked`.execute(db)
  const [row] = rows
  if (!row)
    throw new Error('orderwheel.verify_state has lost its row: insert it with default values.')
  return row.at
}

/** Who asks for a verification; undefined: nobody. The request stays until there is an answer: whoever is at it may die. */
export async function readRequest(db: Db): Promise<string | undefined> {
  const { rows } = await sql<{ who: string }>`
    select requested_by as who from orderwheel.verify_state where requested_at is not null`.execute(
    db,
  )
  return rows[0]?.who
}

/**
 * SQL for an update of verify_state that ends the request which a walk answers. Not one that came after it began, nor one
 * for everything when it is not full.
 */
export function answerRequest({ isFull, startedAt }: Pick<Walk, 'isFull' | 'startedAt'>) {
  const isOpen = sql`(requested_at between ${startedAt} and now() or request_full and not ${isFull})`
  return sql`
    requested_at = case when ${isOpen} then requested_at end,
    requested_by = case when ${isOpen} then requested_by end,
    request_full = request_full and ${isOpen}`
}
