import { sql } from 'kysely'

import { withinIds } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import { lostAfterSeconds } from '#base/lost-after.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'

/**
 * Records the attempts whose workers died before they could: those between the last one recorded and this
 * claim. When one began is known if it lasted for a second; else it was at least `lostAfterSeconds` ago.
 */
export async function recordAbandoned(
  tx: Tx,
  target: string,
  claimed: readonly ClaimedDelivery[],
): Promise<void> {
  if (claimed.length === 0) return
  const found = claimed.map(({ messageId, job, attempt, lostInARow }) => ({
    message_id: messageId,
    attempts: attempt - 1,
    last_fetch: job.retryCount - 1,
    lost_in_a_row: lostInARow,
  }))
  const ids = claimed.map(({ messageId }) => messageId)
  await sql`
    with found as materialized (
      select * from json_to_recordset(${JSON.stringify(found)}::json)
        as f(message_id uuid, attempts int, last_fetch int, lost_in_a_row int)
    ), locked as materialized ( -- in the order in which everybody locks deliveries
      select d.message_id, d.attempts as recorded, d.worker,
             -- of a call that was shown as active: one that was recorded began when the delivery says
             case when d.state = 'active' or not exists (
                    select from orderwheel.delivery_attempts a
                     where a.message_id = d.message_id and a.target = d.target and a.started_at >= d.started_at
                       and ${withinIds('a.message_id', ids)})
                  then d.started_at end as started_at
        from found f join orderwheel.deliveries d on d.message_id = f.message_id and d.target = ${target}
       where ${withinIds('d.message_id', ids)}
       order by d.message_id
         for update of d
    ), counted as (
      update orderwheel.deliveries d
         set attempts = f.attempts, last_fetch = f.last_fetch, lost_in_a_row = f.lost_in_a_row, ask_first = true,
             state = case when d.state = 'active' then 'retrying' else d.state end
        from found f
       where d.message_id = f.message_id and d.target = ${target} and ${withinIds('d.message_id', ids)}
    )
    insert into orderwheel.delivery_attempts
           (message_id, target, number, started_at, outcome, reason, worker)
    select l.message_id, ${target}, n, coalesce(l.started_at, now() - make_interval(secs => ${lostAfterSeconds})), 'abandoned',
           'The worker stopped answering; whether the target was told is unknown.',
           case when l.started_at is null then 'unknown' else coalesce(l.worker, 'unknown') end
      from locked l join found f using (message_id)
      cross join generate_series(l.recorded + 1, f.attempts) as n
    on conflict do nothing -- recorded by hand`.execute(tx)
}
