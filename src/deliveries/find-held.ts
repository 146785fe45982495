import { setTimeout } from 'node:timers/promises'

import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'

// As long as nobody else can have taken them (see ownForMs), with a second to spare.
const patienceMs = 8_000
const pauseMs = 250

/**
 * Which of these jobs a claim holds whose commit got no answer: asks until the database answers, for at most 8 s,
 * then rejects. The time of the claim tells it from any other, earlier or later.
 */
export async function findHeld(
  db: Db,
  claim: { queue: string; ids: readonly string[]; claimedAt: string },
): Promise<Set<string>> {
  const until = performance.now() + patienceMs
  for (;;) {
    try {
      return await askOnce(db, claim)
    } catch (error) {
      if (!isTransient(error) || performance.now() > until) throw error
      await setTimeout(pauseMs)
    }
  }
}

// The lock waits for a commit that is still under way; what it then found is looked at, not what was before.
async function askOnce(
  db: Db,
  { queue, ids, claimedAt }: { queue: string; ids: readonly string[]; claimedAt: string },
): Promise<Set<string>> {
  const { rows } = await sql<{ id: string; held: boolean }>`
    select id, state = 'active' and started_on = ${claimedAt}::timestamptz as held
      from pgboss.job
     where name = ${queue} and id = any(${ids}::uuid[])
       for share`.execute(db)
  return new Set(rows.filter((row) => row.held).map((row) => row.id))
}
