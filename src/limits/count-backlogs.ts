import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

/**
 * Counts what is open for targets with more than 10 000 open deliveries or dead letters, which target_health shows
 * instead of counting. A million takes half a second, so one worker does it for all, once a minute; answers whether
 * it was this one's turn.
 */
export async function countBacklogs(db: Db): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    if (!(await isTurn(tx))) return false
    await count(tx)
    return true
  })
}

// The lock goes with the transaction; whoever does not get it need not wait for what the other is counting.
async function isTurn(tx: Tx): Promise<boolean> {
  const { rows } = await sql`
    select where pg_try_advisory_xact_lock(hashtext('orderwheel'), hashtext('count backlogs'))
             and not exists (select from orderwheel.backlogs where counted_at > now() - interval '50 seconds')`.execute(
    tx,
  )
  return rows.length > 0
}

// Whether there are more than 10 000 is asked in an index; a target with fewer is not counted, and says so. What is
// open is read through its index, all targets at once: the history behind it may be a hundred times as large, and
// PostgreSQL would rather read all of it in one go.
async function count(tx: Tx): Promise<void> {
  await sql`select set_config('enable_seqscan', 'off', true)`.execute(tx)
  await sql`
    with large as materialized (
      select t.name,
             exists (select from orderwheel.deliveries d
                      where d.target = t.name and d.settled_at is null
                      order by created_at, message_id offset 10000) as open,
             exists (select from orderwheel.dead_letters l
                      where l.target = t.name and l.resolved_at is null
                      order by died_at offset 10000) as letters
        from orderwheel.targets t
    ), open as (
      select d.target,
             count(*) filter (where d.state = 'waiting')  as waiting,
             count(*) filter (where d.state = 'queued')   as queued,
             count(*) filter (where d.state = 'active')   as active,
             count(*) filter (where d.state = 'retrying') as retrying
        from orderwheel.deliveries d
       where d.settled_at is null and d.target = any(array(select name from large where open))
       group by d.target
    ), letters as (
      select l.target, count(*) as dead_letters
        from orderwheel.dead_letters l
       where l.resolved_at is null and l.target = any(array(select name from large where letters))
       group by l.target
    )
    insert into orderwheel.backlogs (target, counted_at, waiting, queued, active, retrying, dead_letters)
    select large.name, now(), waiting, queued, active, retrying, dead_letters
      from large left join open on open.target = large.name left join letters on letters.target = large.name
    on conflict (target) do update
       set counted_at = excluded.counted_at, waiting = excluded.waiting, queued = excluded.queued,
           active = excluded.active, retrying = excluded.retrying, dead_letters = excluded.dead_letters`.execute(
    tx,
  )
}
