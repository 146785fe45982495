import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { readRemovals, type Removals } from './read-removals.ts'

/** Why something may rightly not be there, or not be as it was. */
export type Excuses = Removals & { forgettings: readonly Forgetting[] }

type Forgetting = {
  /** When it began, less what the database's clock may have been set back by since. */
  from: Date
  /** null: it runs, or was interrupted. */
  until: Date | null
  /** Of the entry that says who asked for it; null: there is none. */
  position: number | null
}

/** What excuses entries that need none. */
export const noExcuses: Excuses = { records: null, orders: null, forgettings: [] }

/** What may excuse these entries: as many forgettings as there were in their time. */
export async function readExcuses(db: Db, entries: readonly { at: string }[]): Promise<Excuses> {
  const removals = await readRemovals(db)
  const times = entries.map(({ at }) => at).toSorted()
  // Two who forget the same person end as one; the second needs no longer than this to notice.
  const { rows } = await sql<Forgetting>`
    select f.from, f.until, min(c.position)::float8 as position
      from (select id, started_at - interval '10 minutes' as from, finished_at + interval '1 hour' as until
              from orderwheel.forgettings) f
      left join orderwheel.audit_log a on a.subject = f.id::text and a.action = 'person.forgetting'
      left join orderwheel.audit_chain c on c.record = a.id and c.kind = 'action'
     where f.from <= ${times.at(-1)}::timestamptz and coalesce(f.until >= ${times[0]}::timestamptz, true)
     group by f.id, f.from, f.until`.execute(db)
  return { ...removals, forgettings: rows }
}

/** Whether somebody was being forgotten when this was entered, and the chain had said so, or the retention deleted that. */
export function isWhileForgetting(
  { at, position }: { at: string; position: string },
  { forgettings, records }: Excuses,
): boolean {
  const time = Date.parse(at)
  return forgettings.some(
    ({ from, until, position: saidBy }) =>
      from.getTime() <= time &&
      (until === null || time <= until.getTime()) &&
      (saidBy === null ? records !== null && from <= records : saidBy < Number(position)),
  )
}
