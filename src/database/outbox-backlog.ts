import { type RawBuilder, sql } from 'kysely'

/**
 * SQL of how many messages wait to be relayed, without those that cannot be. Exact from `enough` on, up to `most`; below
 * it may say more than there are, but not more than `enough`: positions bound the number, and nothing is counted.
 */
export function waitingMessages({
  enough,
  most,
}: {
  enough: number
  most: number
}): RawBuilder<number> {
  return sql<number>`(
    select case when ends.between <= ${enough}::bigint then ends.between::int
                else (select count(*)::int from (select from orderwheel.outbox where try_after is null limit ${most}) o) end
      from (select coalesce((select position from orderwheel.outbox order by position desc limit 1)
                     - (select position from orderwheel.outbox where try_after is null order by position limit 1) + 1, 0) as between) ends)`
}

/** SQL of the age in seconds of the oldest message that a relay would take now; null: there is none. */
export const oldestDueSeconds = sql<number | null>`(
  select extract(epoch from now() - b.created_at)::float8
    from orderwheel.outbox b
   where b.try_after is null
     and not exists (select from orderwheel.outbox e
                      where e.order_id = b.order_id and e.position < b.position and e.try_after is not null)
   order by b.position limit 1)`
