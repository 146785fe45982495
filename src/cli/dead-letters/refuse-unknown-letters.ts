import { sql } from 'kysely'

import { OrderwheelError } from '#base/errors.ts'
import type { Db } from '#database/open-database.ts'

/** Throws `not-found` when one of these ids, which must be UUIDs, is no dead letter's: done are all of them or none. */
export async function refuseUnknownLetters(db: Db, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  const { rows } = await sql<{ id: string }>`
    select id from unnest(${ids}::uuid[]) with ordinality as given (id, place)
     where not exists (select from orderwheel.dead_letters l where l.id = given.id)
     order by place`.execute(db)
  const [first, ...others] = rows.map(({ id }) => id)
  if (first === undefined) return
  const more = others.length === 0 ? '' : `, nor ${others.length} others of those given`
  throw new OrderwheelError(
    'not-found',
    `There is no dead letter ${first}${more}: nothing was changed. See orderwheel dead-letters list --all`,
  )
}
