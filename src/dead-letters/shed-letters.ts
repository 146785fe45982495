import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db, Tx } from '#database/open-database.ts'
import { sayShed } from '#messages/say-shed.ts'

import type { LetterFilter } from './letter-filter.ts'

/** What a list of shed deliveries may hold: their letters are written in one transaction. */
export const mostShed = 100_000

/** Which shed deliveries are meant: those in a filter that only letters have mean none. */
type ShedFilter = Pick<LetterFilter, 'target' | 'since' | 'until' | 'orderId'>

/**
 * Writes a dead letter for each shed delivery that is meant and has none, so that they can be replayed as others are;
 * the deliveries stay shed until they are. Answers how many: more than `mostShed`, and none was written. Without
 * `since`, what was shed in the last 30 days.
 */
export async function writeShedLetters(tx: Tx, filter: ShedFilter): Promise<number> {
  const { rows } = await sql<{ found: number }>`
    with found as materialized (
      select d.message_id, d.target, d.position, d.order_id, d.settled_at
        from orderwheel.deliveries d
       where ${isMeant(filter)}
       order by d.message_id, d.target limit ${mostShed + 1}
         for update of d -- whoever deletes or forgets an order meanwhile
    ), written as (
      insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts, died_at)
      select message_id, target, order_id, ${sayShed}, '[]', settled_at
        from found where (select count(*) from found) <= ${mostShed}
       order by settled_at, position
    )
    select count(*)::int as found from found`.execute(tx)
  return rows[0]?.found ?? 0
}

export type ShedCount = { target: string; deadLetters: number; firstAt: Date; lastAt: Date }

/** What `writeShedLetters` would write, per target. */
export async function countShed(db: Db, filter: ShedFilter): Promise<ShedCount[]> {
  const { rows } = await sql<ShedCount>`
    select d.target, count(*)::int as "deadLetters", min(d.settled_at) as "firstAt", max(d.settled_at) as "lastAt"
      from orderwheel.deliveries d
     where ${isMeant(filter)}
     group by d.target order by d.target`.execute(db)
  return rows
}

// There is no index of what was shed, of which there is mostly nothing: a message's id says when it happened, at most a
// day before it was relayed, unless it waited longer in the outbox: then an earlier `since` finds it.
function isMeant({ target, since, until, orderId }: ShedFilter) {
  const from = since ? sql`${since}::timestamptz` : sql`now() - interval '30 days'`
  const first = sql`(select greatest(${from}, min(first_at)) from orderwheel.shedding)`
  const conditions = [
    sql`d.state = 'shed' and d.settled_at >= ${from}`,
    orderId === undefined
      ? sql`d.message_id >= orderwheel.first_id(${first} - interval '1 day')`
      : sql`d.order_id = ${orderId}::uuid and ${sinceOrders('d.message_id', [orderId])}`,
    until && sql`d.settled_at < ${until}`,
    target !== undefined && sql`d.target = ${target}`,
    sql`not exists (select from orderwheel.dead_letters l
                     where l.message_id = d.message_id and l.target = d.target and l.resolved_at is null)`,
    sql`not exists (select from orderwheel.orders o where o.id = d.order_id and o.forgotten_at is not null)`,
  ].filter((condition) => condition !== false && condition !== undefined)
  return sql<boolean>`${sql.join(conditions, sql` and `)}`
}
