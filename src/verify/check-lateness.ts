import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Finding } from './finding.ts'

/** What is past its time: messages that are not relayed, and targets that nobody calls; the first 10 000. */
export async function checkLateness(db: Db): Promise<Finding[]> {
  return [...(await lateMessages(db)), ...(await idleTargets(db))]
}

// What waits behind a refused message of its order is told with it.
async function lateMessages(db: Db): Promise<Finding[]> {
  const { rows } = await sql<Finding>`
    select case when b.refusals > 0 then 'message-refused' else 'message-late' end as kind,
           b.order_id as "orderId", b.id as "messageId", null as target, to_json(b.created_at) as since
      from orderwheel.outbox b
     where b.refusals > 0
        or b.created_at < now() - ${relayedWithin}
           and not exists (select from orderwheel.outbox r
                            where r.order_id = b.order_id and r.position < b.position and r.refusals > 0)
     order by b.position
     limit 10000`.execute(db)
  return rows
}

// The relay works off a backlog of a million messages in less.
const relayedWithin = sql`interval '5 minutes'`

// A call may take an hour, but then a job is active. What is due behind a circuit or a pause waits as it should, and
// so does what was until a moment ago.
async function idleTargets(db: Db): Promise<Finding[]> {
  const { rows } = await sql<Finding>`
    select 'target-idle' as kind, null as "orderId", null as "messageId", t.name as target,
           to_json(oldest.start_after) as since
      from orderwheel.targets t
     cross join lateral (
       select least(${oldestDue('created')}, ${oldestDue('retry')}) as start_after) oldest
     where oldest.start_after < now() - ${calledWithin}
       and not (t.paused_at is not null and coalesce(t.paused_until > now(), true))
       and t.circuit = 'closed'
       and not exists (select from pgboss.job j where j.name = t.name and j.state = 'active')
       and not exists (select from orderwheel.target_counts c
                        where c.target = t.name and c.period > now() - ${calledWithin})
       and not exists (select from orderwheel.target_changes c
                        where c.target = t.name and c.at > now() - ${calledWithin})
     order by t.name`.execute(db)
  return rows
}

const calledWithin = sql`interval '15 minutes'`

function oldestDue(state: 'created' | 'retry') {
  return sql`(
    select j.start_after from pgboss.job j
     where j.name = t.name and j.state = ${sql.lit(state)} and not j.blocked
     order by j.start_after limit 1)`
}
