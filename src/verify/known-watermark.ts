import { sql } from 'kysely'

import { idAt } from './chunk.ts'

/** SQL that says of an id that it could not have been given yet: it is of a clock that was ahead. */
export function isAhead(id: ReturnType<typeof sql>) {
  return sql<boolean>`${id} >= ${idAt(sql`now()`)}`
}

/** SQL for verify_state's watermark; null: everything has to be looked at. Below one that is ahead, ids go on to be given. */
export const knownWatermark = sql<
  string | null
>`case when not ${isAhead(sql`watermark`)} then watermark end`
