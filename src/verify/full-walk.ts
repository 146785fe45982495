import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { type Claim, ClaimLost } from './claim-verification.ts'
import { answerRequest } from './due-verification.ts'
import { isAhead } from './known-watermark.ts'
import { beginWalk, type Walk } from './walk.ts'

/** The full walk that somebody put down, or a new one; also when a clock was ahead that has been set since. */
export async function takeUpWalk(db: Db, wanted: { requestedBy: string }): Promise<Walk> {
  const { rows } = await sql<{ walk: Walk | null }>`
    select case when not ${isAhead(sql`(full_walk->>'upTo')::uuid`)} then full_walk end as walk
      from orderwheel.verify_state`.execute(db)
  return rows[0]?.walk ?? beginWalk(db, { ...wanted, isFull: true })
}

/** Keeps how far a full walk has come, for whoever goes on with it, instead of the request for it. Throws ClaimLost. */
export async function putDownWalk(db: Db, { id }: Claim, walk: Walk): Promise<void> {
  const { numAffectedRows } = await sql`
    update orderwheel.verify_state set full_walk = ${JSON.stringify(walk)}::jsonb, ${answerRequest(walk)}
     where claim = ${id}`.execute(db)
  if (numAffectedRows !== 1n) throw new ClaimLost()
}
