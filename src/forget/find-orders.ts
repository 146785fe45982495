import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { isTheirs, type Person } from './person.ts'

// A quarter of a second's worth, also when it has to be read from disk in two.
const ordersAtATime = 20_000

/**
 * Walks through all orders, the oldest first, and answers those of a person as it comes to them, with how many it has
 * looked at. There is no index for this, see decision 19: forgetting is rare, and taking orders is not.
 */
export async function* findOrders(
  db: Db,
  person: Person,
): AsyncGenerator<{ ids: string[]; lookedAt: number }> {
  let last: string | undefined
  let lookedAt = 0
  for (;;) {
    const seen = await look(db, person, last)
    if (!seen.last) return
    last = seen.last
    lookedAt += seen.count
    yield { ids: seen.ids, lookedAt }
  }
}

async function look(
  db: Db,
  person: Person,
  last: string | undefined,
): Promise<{ ids: string[]; last: string | null; count: number }> {
  const { rows } = await sql<{ ids: string[]; last: string | null; count: number }>`
    with seen as materialized (
      select id, ${isTheirs(person)} as theirs
        from orderwheel.orders
       where ${last === undefined ? sql`true` : sql`id > ${last}`}
       order by id
       limit ${ordersAtATime}
    )
    select coalesce(array_agg(id order by id) filter (where theirs), '{}')::text[] as ids,
           (select id from seen order by id desc limit 1) as last, count(*)::int as count
      from seen`.execute(db)
  return rows[0] ?? { ids: [], last: null, count: 0 }
}
