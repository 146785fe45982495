import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Says that this verification is the one under way; see verify_state.claim. */
export type Claim = { id: string }

/** Somebody else verifies by now: this process was away for longer than its claim lasts. */
export class ClaimLost extends Error {
  constructor() {
    super('Another verification has begun: this process did not go on with its own for a minute.')
    this.name = 'ClaimLost'
  }
}

/** Claims the right to verify, for a minute. Undefined: another process has it. */
export async function claimVerification(db: Db, who: string): Promise<Claim | undefined> {
  const id = randomUUID()
  const { numAffectedRows } = await sql`
    update orderwheel.verify_state
       set claim = ${id}, claimed_by = ${who.slice(0, 200)}, claimed_until = now() + ${lasting}
     where not ${isClaimed}`.execute(db)
  return numAffectedRows === 1n ? { id } : undefined
}

/** Puts the end of a claim off by a minute. Throws ClaimLost. */
export async function keepClaim(db: Db, { id }: Claim): Promise<void> {
  const { numAffectedRows } = await sql`
    update orderwheel.verify_state set claimed_until = now() + ${lasting} where claim = ${id}`.execute(
    db,
  )
  if (numAffectedRows !== 1n) throw new ClaimLost()
}

/** Lets others verify. */
export async function releaseClaim(db: Db, { id }: Claim): Promise<void> {
  await sql`
    update orderwheel.verify_state set claim = null, claimed_until = now() where claim = ${id}`.execute(
    db,
  )
}

/** Who verifies at the moment; undefined: nobody. */
export async function whoVerifies(db: Db): Promise<string | undefined> {
  const { rows } = await sql<{ who: string }>`
    select coalesce(claimed_by, 'somebody') as who from orderwheel.verify_state
     where ${isClaimed}`.execute(db)
  return rows[0]?.who
}

// A process that was killed holds up the others for no longer than this.
const lasting = sql`interval '1 minute'`

/**
 * SQL that says of verify_state whether somebody verifies. What is claimed for longer than a claim can last was claimed
 * by a clock that was ahead. Twice as long: a transaction's now() may be a little earlier than that of who claimed.
 */
export const isClaimed = sql<boolean>`(claimed_until > now() and claimed_until < now() + 2 * ${lasting})`
