import { sql } from 'kysely'

import { withinIds } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'

import type { ClaimedDelivery } from './claim-deliveries.ts'

export type CallToMark = { delivery: ClaimedDelivery; begunAt: number }

/**
 * Shows calls that take long in their deliveries: `active`, since when, and by which worker. Short ones are
 * not worth a write. A call that ended meanwhile is left as it was settled.
 */
export async function markActive(
  db: Db,
  { target, worker, calls }: { target: string; worker: string; calls: readonly CallToMark[] },
): Promise<void> {
  if (calls.length === 0) return
  const within = withinIds(
    'd.message_id',
    calls.map(({ delivery }) => delivery.messageId),
  )
  // Whatever time it takes to get a connection, no call began later for that.
  await db.connection().execute(async (connection) => {
    const now = performance.now()
    const marked = calls.map(({ delivery, begunAt }) => ({
      message_id: delivery.messageId,
      attempts: delivery.attempt - 1,
      ago: (now - begunAt) / 1_000,
    }))
    await sql`
      with marked as materialized (
        select * from json_to_recordset(${JSON.stringify(marked)}::json)
          as m(message_id uuid, attempts int, ago float8)
      ), locked as materialized ( -- in the order in which everybody locks deliveries
        select m.* from marked m join orderwheel.deliveries d on d.message_id = m.message_id and d.target = ${target}
         where ${within}
         order by d.message_id
           for update of d
      )
      update orderwheel.deliveries d
         set state = 'active', worker = ${worker}, started_at = now() - make_interval(secs => l.ago)
        from locked l
       where d.message_id = l.message_id and d.target = ${target} and ${within}
         and d.state in ('queued', 'retrying', 'active') and d.attempts = l.attempts`.execute(
      connection,
    )
  })
}
