import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { lastId } from './chunk.ts'

type Ids = 'orderwheel.orders' | 'orderwheel.messages' | { queue: string }

/** How far the next `limit` ids of a table, or of a queue's jobs, reach. The last piece reaches behind every id. */
export async function nextIds(
  db: Db,
  ids: Ids,
  { after, limit }: { after: string; limit: number },
): Promise<{ upTo: string; isLast: boolean }> {
  const from =
    typeof ids === 'string'
      ? sql`${sql.table(ids)} where id > ${after}::uuid`
      : sql`pgboss.job where name = ${ids.queue} and id > ${after}::uuid`
  const { rows } = await sql<{ id: string }>`
    select id from ${from} order by id offset ${limit - 1} limit 1`.execute(db)
  return { upTo: rows[0]?.id ?? lastId, isLast: rows.length === 0 }
}

/** The next of what has to be looked at again, up to the id `upTo`; `last` null: there is no more. */
export async function nextPending(
  db: Db,
  { after, upTo, limit }: { after: string; upTo: string; limit: number },
): Promise<{ messageIds: string[]; orderIds: string[]; last: string | null }> {
  const { rows } = await sql<{ id: string; isOrder: boolean }>`
    select id, id = order_id and not alone as "isOrder" from orderwheel.verify_pending
     where id > ${after}::uuid and id <= ${upTo}::uuid order by id limit ${limit}`.execute(db)
  const idsOf = (isOrder: boolean) =>
    rows.filter((row) => row.isOrder === isOrder).map(({ id }) => id)
  return {
    messageIds: idsOf(false),
    orderIds: idsOf(true),
    last: rows.length < limit ? null : (rows.at(-1)?.id ?? null),
  }
}
