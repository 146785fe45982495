import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db, Tx } from '#database/open-database.ts'

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
    const step = await look(db, { days, after })
    if (step.done.length > 0)
      deleted += await db.transaction().execute((tx) => remove(tx, step.done, days))
    if (step.last === undefined) return deleted
    after = step.last
  }
  return deleted
}

/** SQL that says of an order `o`, one of these, that nothing about it is left to do. */
function isDone(ids: readonly string[]) {
  return sql`o.id = any(${ids}::uuid[])
    and not exists (select from orderwheel.outbox b where b.order_id = o.id)
    and not exists (select from orderwheel.payments p where p.order_id = o.id and p.state = 'pending')
    and not exists (select from orderwheel.deliveries d
                     where d.order_id = o.id and ${sinceOrders('d.message_id', ids)}
                       and (d.settled_at is null or d.state in ('dead', 'uncertain')))
    and not exists (select from orderwheel.dead_letters l where l.order_id = o.id and l.held_at is not null)`
}

/** Without a lock: most of those that stay have stayed before. `last`: where to go on; there may be more. */
async function look(
  db: Db,
  { days, after }: { days: number; after: string },
): Promise<{ done: string[]; last: string | undefined }> {
  const old = await sql<{ id: string }>`
    select id from orderwheel.orders
     where id > ${after}::uuid and id < orderwheel.first_id(now() - make_interval(days => ${days}))
     order by id
     limit ${atATime}`.execute(db)
  const ids = old.rows.map(({ id }) => id)
  const last = ids.length < atATime ? undefined : ids.at(-1)
  const { rows } = await sql<{ id: string }>`
    select o.id from orderwheel.orders o where ${isDone(ids)}`.execute(db)
  return { done: rows.map(({ id }) => id), last }
}

// Looked at once more when nobody can add a message any more: that takes a lock on the order. A hold that comes
// later than this look is kept by the database, and the step is tried again without it.
async function remove(tx: Tx, ids: readonly string[], days: number): Promise<number> {
  const { rows } = await sql<{ id: string }>`
    select id from orderwheel.orders where id = any(${ids}::uuid[]) order by id for update skip locked`.execute(
    tx,
  )
  const locked = rows.map(({ id }) => id)
  const { numAffectedRows = 0n } = await sql`
    delete from orderwheel.orders o where ${isDone(locked)}`.execute(tx)
  if (numAffectedRows > 0n)
    await sql`
      select orderwheel.chain_removed('orders', now() - make_interval(days => ${days}), ${numAffectedRows})`.execute(
      tx,
    )
  return Number(numAffectedRows)
}
