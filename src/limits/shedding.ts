import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

/** How much is open for a droppable target, counted up to its limit, and whether it sheds. */
export type Backlog = { target: string; open: number; sheds: boolean }

/** Counts in an index what is open for these targets: milliseconds for 10 000 deliveries. */
export async function countOpen(
  db: Db,
  limits: readonly { target: string; maxOpen: number }[],
): Promise<Backlog[]> {
  const { rows } = await sql<Backlog>`
    select l.target, o.open, coalesce(s.began_at is not null and s.ended_at is null, false) as sheds
      from json_to_recordset(${JSON.stringify(limits)}::json) as l(target text, "maxOpen" integer)
     cross join lateral (
       select count(*)::int as open
         from (select from orderwheel.deliveries d
                where d.target = l.target and d.settled_at is null
                order by d.created_at, d.message_id limit l."maxOpen") oldest) o
      left join orderwheel.shedding s on s.target = l.target`.execute(db)
  return rows
}

export type Shed = {
  target: string
  /** Deliveries that this transaction shed. */
  count: number
  /** Whether that is for what was counted just now; else for what is remembered, and may be over. */
  begins: boolean
  /** Whether its backlog has become small enough to be told everything again. */
  ends: boolean
}

export type SheddingChange = { target: string; change: 'shedding-began' | 'shedding-ended' }

/**
 * Writes down what a transaction shed, and answers which targets began with it or ended. The last that a transaction
 * does: its rows are locked until it commits, in one order for everybody.
 */
export async function recordShed(
  tx: Tx,
  shed: readonly Shed[],
  who: string,
): Promise<SheddingChange[]> {
  if (shed.length === 0) return []
  const { rows } = await sql<SheddingChange>`
    with made as materialized (
      select s.target, m.count, m.count > 0 and m.begins as begins, m.ends, s.began_at is not null and s.ended_at is null as sheds
        from json_to_recordset(${JSON.stringify(shed)}::json) as m(target text, count integer, begins boolean, ends boolean)
        join orderwheel.shedding s on s.target = m.target
       order by s.target for update of s
    ), written as (
      update orderwheel.shedding s
         set shed = s.shed + m.count,
             first_at = case when m.count > 0 then coalesce(s.first_at, now()) else s.first_at end,
             began_at = case when m.begins and not m.sheds then now() else s.began_at end,
             ended_at = case when m.begins then null when m.ends and m.sheds then now() else s.ended_at end
        from made m where s.target = m.target
      returning s.target, s.max_open, m.sheds as before, s.ended_at is null and s.began_at is not null as after
    ), changed as (
      select target, case when after then 'shedding-began' else 'shedding-ended' end as change, max_open
        from written where before <> after
    ), told as (
      insert into orderwheel.target_changes (target, change, reason, who)
      select target, change, ${reasonOf(sql.ref('change'), sql.ref('max_open'))}, ${who} from changed
    )
    select target, change from changed`.execute(tx)
  return rows
}

/** Ends what is over while no message comes: half as much is open as began it, or the target is not droppable any more. */
export async function endShedding(db: Db, who: string): Promise<SheddingChange[]> {
  const { rows } = await sql<SheddingChange>`
    with over as materialized (
      select s.target from orderwheel.shedding s
       where s.began_at is not null and s.ended_at is null
         and (s.max_open is null or not exists (
           select from orderwheel.deliveries d
            where d.target = s.target and d.settled_at is null
            order by d.created_at, d.message_id offset s.max_open / 2 limit 1))
       order by s.target for update of s skip locked
    ), ended as (
      update orderwheel.shedding s set ended_at = now() from over where s.target = over.target
      returning s.target, 'shedding-ended' as change, s.max_open
    ), told as (
      insert into orderwheel.target_changes (target, change, reason, who)
      select target, change, ${reasonOf(sql.ref('change'), sql.ref('max_open'))}, ${who} from ended
    )
    select target, change from ended`.execute(db)
  return rows
}

function reasonOf(change: ReturnType<typeof sql.ref>, maxOpen: ReturnType<typeof sql.ref>) {
  return sql`case when ${change} = 'shedding-began' then format('%s deliveries are open', ${maxOpen})
                  when ${maxOpen} is null then 'it is not droppable any more'
                  else format('no more than %s deliveries are open', ${maxOpen} / 2) end`
}
