import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Dead letters nobody has decided on, of the same target and kind of failure. */
export type LetterGroup = {
  id: string
  target: string
  status: number | null
  code: string | null
  /** The code, or the reason without what differs from order to order. */
  error: string
  /** As many orders: a later message of an order waits for the dead one. */
  letters: number
  firstAt: Date
  lastAt: Date
}

/** The groups with the most letters, at most `limit` (1 … 500). Counts in an index. */
export async function readGroups(
  db: Db,
  { target, limit }: { target?: string | undefined; limit: number },
): Promise<LetterGroup[]> {
  const isIts = target === undefined ? sql`true` : sql`target = ${target}`
  const { rows } = await sql<LetterGroup>`
    select g.id, g.target, l.status, l.code, coalesce(l.code, l.failure) as error,
           g.letters, g."firstAt", g."lastAt"
      from (select group_id as id, min(target) as target, count(*)::int as letters,
                   min(died_at) as "firstAt", max(died_at) as "lastAt"
              from orderwheel.dead_letters
             where resolved_at is null and ${isIts}
             group by group_id
             order by letters desc, "lastAt" desc
             limit ${limit}) g
     cross join lateral (select status, code, failure
                           from orderwheel.dead_letters
                          where group_id = g.id and resolved_at is null
                          order by died_at desc, id desc
                          limit 1) l
     order by g.letters desc, g."lastAt" desc`.execute(db)
  return rows
}
