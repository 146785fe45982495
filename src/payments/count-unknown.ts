import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Payments of which it is not known whether they were charged, counted in an index of them; more than 10 000 as 10 001. */
export async function countUnknown(db: Db): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n
      from (select from orderwheel.payments where state = 'pending' limit 10001) p`.execute(db)
  return rows[0]?.n ?? 0
}
