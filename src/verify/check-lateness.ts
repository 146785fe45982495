import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { idAt } from './chunk.ts'
import type { Finding } from './finding.ts'

/** What is past its time: messages that are not relayed, payments of which nobody knows what became, and targets that nobody calls; the first 10 000. */
export async function checkLateness(db: Db): Promise<Finding[]> {
  return [...(await lateMessages(db)), ...(await latePayments(db)), ...(await idleTargets(db))]
}

// A relay works off a backlog in order: while it moves, only what lies before a message that it relayed a while ago was
// passed over. What waits behind a refused message of its order is told with it.
async function lateMessages(db: Db): Promise<Finding[]> {
  const { rows } = await sql<Finding>`
    with relayed as materialized (
      select m.relayed_at from orderwheel.messages m where ${isNow} order by m.id desc limit 1000
    ), stuck as materialized (
      select case when not exists (select from relayed where relayed_at > now() - ${relayedWithin}) then ${last}::bigint
                  else (select m.position from orderwheel.messages m
                         where ${isNow} and m.relayed_at < now() - ${committedWithin} order by m.id desc limit 1)
             end as up_to
    )
    select case when b.refusals > 0 then 'message-refused' else 'message-late' end as kind,
           coalesce(b.order_id, b.id) as "orderId", b.id as "messageId", null as target, to_json(b.created_at) as since
      from orderwheel.outbox b
     where b.refusals > 0
        or b.created_at < now() - ${relayedWithin} and not ${isHeld} and b.position <= (select up_to from stuck)
           and not exists (select from orderwheel.outbox r
                            where r.order_id = b.order_id and r.position < b.position and r.refusals > 0)
     order by b.position
     limit 10000`.execute(db)
  return rows
}

// A cancellation waits until it is known whether its order was paid.
const isHeld = sql`(b.try_after is not distinct from 'infinity' and exists (
  select from orderwheel.payments p where p.order_id = b.order_id and p.state = 'pending'))`

const last = '9223372036854775807'

// Messages of a clock that was ahead are not the last ones that were relayed.
const isNow = sql`m.id < ${idAt(sql`now()`)}`

const relayedWithin = sql`interval '5 minutes'`

// Relays work side by side, and one may hold a batch for half a minute.
const committedWithin = sql`interval '1 minute'`

async function latePayments(db: Db): Promise<Finding[]> {
  const { rows } = await sql<Finding>`
    select 'payment-unknown' as kind, order_id as "orderId", null as "messageId", null as target,
           to_json(begun_at) as since
      from orderwheel.payments
     where state = 'pending' and begun_at < now() - ${knownWithin}
     order by try_after limit 10000`.execute(db)
  return rows
}

// A gateway that is down for longer is somebody's business.
const knownWithin = sql`interval '10 minutes'`

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
