import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/**
 * Keeps a message that cannot be relayed where a person sees it, with the reason, out of the others' way.
 * It is tried again after 5, 10, 20 and then every 30 minutes: not spinning, and soon enough after
 * somebody has mended the configuration.
 */
export async function refuseMessage(db: Db, position: string, reason: string): Promise<void> {
  await sql`
    update orderwheel.outbox
       set refusals = refusals + 1, refusal = ${reason.slice(0, 2_000)},
           try_after = now() + least(interval '30 minutes', interval '5 minutes' * 2 ^ least(refusals, 10))
     where position = ${position}`.execute(db)
}
