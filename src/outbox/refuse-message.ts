import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Long enough not to spin, short enough that a mended configuration shows soon. */
const retryMinutes = 5

/** Keeps a message that cannot be relayed where a person sees it, with the reason, out of the others' way. */
export async function refuseMessage(db: Db, id: string, reason: string): Promise<void> {
  await sql`
    update orderwheel.outbox
       set refusals = refusals + 1, refusal = ${reason.slice(0, 2_000)},
           try_after = now() + make_interval(mins => ${retryMinutes})
     where id = ${id}`.execute(db)
}
