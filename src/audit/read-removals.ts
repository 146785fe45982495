import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Up to when the retention has deleted; null: it has not. */
export type Removals = { records: Date | null; orders: Date | null }

/** What entries of the chain say that the retention deleted. One that says less than a day old is none: see examine-entry. */
export async function readRemovals(db: Db): Promise<Removals> {
  const { rows } = await sql<Removals>`
    select max(until) filter (where of = 'audit_log') as records, max(until) filter (where of = 'orders') as orders
      from (select details ->> 'of' as of,
                   case when pg_input_is_valid(details ->> 'until', 'timestamptz') then (details ->> 'until')::timestamptz end as until, at
              from orderwheel.audit_chain where kind = 'removed') removed
     where until <= at - make_interval(hours => ${leastHours})`.execute(db)
  return rows[0] ?? { records: null, orders: null }
}

/** The retention keeps a day at least, which has 23 hours once a year. */
export const leastHours = 23
