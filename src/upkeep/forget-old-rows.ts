import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

// Of a transaction; and of a pass, so that other upkeep gets its turn.
const atATime = 10_000
const atMost = 100

/** Deletes replays that ended more than `days` ago, their lists piece by piece: up to a million rows of them. */
export async function forgetOldReplays(db: Db, days: number): Promise<void> {
  for (let step = 0; step < atMost; step += 1) {
    const { rows } = await sql<{ id: string }>`
      select id from orderwheel.replays
       where finished_at < now() - make_interval(days => ${days})
       order by finished_at limit 1`.execute(db)
    if (!rows[0]) return
    const { id } = rows[0]
    const { numAffectedRows = 0n } = await sql`
      delete from orderwheel.replay_items
       where replay_id = ${id}
         and position in (select position from orderwheel.replay_items where replay_id = ${id} order by position limit ${atATime})`.execute(
      db,
    )
    if (numAffectedRows === 0n)
      await sql`delete from orderwheel.replays where id = ${id}`.execute(db)
  }
}

/** Deletes audit records that were written more than `days` ago: up to a million. The audit chain says so. */
export async function forgetOldRecords(db: Db, days: number): Promise<void> {
  for (let step = 0; step < atMost; step += 1) {
    const removed = await db.transaction().execute((tx) => forgetRecords(tx, days))
    if (removed < atATime) return
  }
}

async function forgetRecords(tx: Tx, days: number): Promise<number> {
  const until = sql`now() - make_interval(days => ${days})`
  const { numAffectedRows = 0n } = await sql`
    delete from orderwheel.audit_log
     where id = any(array(
       select id from orderwheel.audit_log
        where at < ${until}
        order by at
        limit ${atATime}
          for update skip locked))`.execute(tx)
  if (numAffectedRows > 0n)
    await sql`select orderwheel.chain_removed('audit_log', ${until}, ${numAffectedRows})`.execute(
      tx,
    )
  return Number(numAffectedRows)
}
