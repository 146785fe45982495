import { sql } from 'kysely'

/**
 * SQL for what there is to say when a table of the history has no partitions for the two months after this one:
 * workers keep three ahead, so none has been able to add any for a month. Null: nothing.
 */
export const missingMonths = sql<string | null>`(
  select 'orderwheel.' || string_agg(name, ', orderwheel.' order by name)
         || case when count(*) = 1 then ' has' else ' have' end || ' no partition for '
         || to_char(min(until) at time zone 'utc', 'YYYY-MM') || ': from then on no message can be relayed. '
         || 'Is a worker running? Its log says why ("upkeep failed, trying again"), "orderwheel doctor" what mends it.'
    from (
      -- a bound is the first id of a month: its first 48 bits are the month's first millisecond
      select t.name, to_timestamp(coalesce(max(
               ('x' || substring(replace(pg_get_expr(c.relpartbound, c.oid), '-', '') from 'TO \\(''([0-9a-f]{12})'))::bit(48)::bigint), 0) / 1000) as until
        from unnest(array['messages', 'deliveries', 'delivery_attempts']) t(name)
        left join pg_inherits i on i.inhparent = to_regclass('orderwheel.' || t.name) and not i.inhdetachpending
        left join pg_class c on c.oid = i.inhrelid
       group by t.name) p
   where until < (date_trunc('month', now() at time zone 'utc') + interval '3 months') at time zone 'utc')`
