import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

type Piece = { place: string | null; upTo: string; limit: number }

/**
 * Notes messages up to the id `upTo` that are in the outbox, so that whatever becomes of them is looked at: they may be
 * relayed behind the walk's back, and lie before the next one's watermark. Answers where to go on; null: at the end.
 */
export async function noteUnrelayed(db: Db, { place, upTo, limit }: Piece): Promise<string | null> {
  const { rows } = await sql<{ place: string | null }>`
    with piece as materialized (
      select position, id, order_id from orderwheel.outbox
       where position > ${place ?? '0'}::bigint order by position limit ${limit}
    ), noted as (
      insert into orderwheel.verify_pending (id, order_id, alone)
      select id, coalesce(order_id, id), order_id is null from piece where id <= ${upTo}::uuid
      on conflict do nothing
    )
    select case when count(*) = ${limit}::bigint then max(position)::text end as place from piece`.execute(
    db,
  )
  return rows[0]?.place ?? null
}

/**
 * Notes messages up to the id `upTo` that have an open delivery: they are there already, unless somebody opened one
 * again that was final. Answers where to go on; null: at the end.
 */
export async function noteOpen(db: Db, { place, upTo, limit }: Piece): Promise<string | null> {
  const from = place ?? '["", "-infinity", "00000000-0000-0000-0000-000000000000"]'
  const { rows } = await sql<{ place: string | null }>`
    with piece as materialized (
      select d.target, d.created_at, d.message_id from orderwheel.deliveries d
       where d.settled_at is null
         and (d.target, d.created_at, d.message_id)
             > (${from}::jsonb->>0, (${from}::jsonb->>1)::timestamptz, (${from}::jsonb->>2)::uuid)
       order by d.target, d.created_at, d.message_id limit ${limit}
    ), known as materialized (
      select p.id from orderwheel.verify_pending p where p.id = any(array(select message_id from piece))
    ), noted as (
      insert into orderwheel.verify_pending (id, order_id, alone)
      select distinct on (message_id) d.message_id, d.order_id, d.order_id = d.message_id
        from piece join orderwheel.deliveries d using (message_id, target)
       where message_id <= ${upTo}::uuid and message_id not in (select id from known)
      on conflict do nothing
    )
    select case when count(*) = ${limit}::bigint then
             (select jsonb_build_array(target, created_at, message_id)::text from piece
               order by target desc, created_at desc, message_id desc limit 1) end as place
      from piece`.execute(db)
  return rows[0]?.place ?? null
}
