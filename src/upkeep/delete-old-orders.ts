import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

// A transaction of a moment, with everything that hangs on the orders.
const atATime = 500

/**
 * Deletes orders older than `days` with everything that happened to them, but not those with something open, dead or
 * uncertain, or with a dead letter that is held. In steps of 500, until there are none or `signal` aborts; answers how many.
 */
export async function deleteOldOrders(
  db: Db,
  { days, signal }: { days: number; signal: AbortSignal },
): Promise<number> {
  let deleted = 0
  // Orders that stay are passed over by the next step.
  let after = '00000000-0000-0000-0000-000000000000'
  while (!signal.aborted) {
    const { rows } = await sql<{ id: string; isDone: boolean }>`
      with old as materialized (
        select o.id from orderwheel.orders o
         where o.id > ${after}::uuid and o.id < orderwheel.first_id(now() - make_interval(days => ${days}))
         order by o.id
         limit ${atATime}
           for update skip locked
      ), done as (
        delete from orderwheel.orders o using old
         where o.id = old.id
           and not exists (select from orderwheel.outbox b where b.order_id = old.id)
           and not exists (select from orderwheel.deliveries d
                            where d.order_id = old.id and (d.settled_at is null or d.state in ('dead', 'uncertain')))
           and not exists (select from orderwheel.dead_letters l where l.order_id = old.id and l.held_at is not null)
        returning o.id
      )
      select old.id, done.id is not null as "isDone" from old left join done using (id) order by old.id`.execute(
      db,
    )
    deleted += rows.filter(({ isDone }) => isDone).length
    const last = rows.at(-1)
    if (!last || rows.length < atATime) return deleted
    after = last.id
  }
  return deleted
}
