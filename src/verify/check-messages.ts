import { type RawBuilder, sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { type Chunk, firstId, wanted, within } from './chunk.ts'
import type { Finding } from './finding.ts'

/** Everything that is looked at with a chunk of messages. */
export type MessagesChecked = {
  orders: number
  messages: number
  deliveries: number
  found: Finding[]
}

/**
 * Looks whether each message has its deliveries, and each delivery what its state asks for: a job, a letter, an attempt,
 * something to wait for. One statement, so one snapshot: every transition is one transaction, and none is seen half
 * done. In the same snapshot it notes in verify_pending what has to be looked at again (up to the message `upTo`), and
 * takes out what is final.
 */
export async function checkMessages(
  db: Db,
  { chunk, upTo }: { chunk: Chunk; upTo: string },
): Promise<MessagesChecked> {
  const { rows } = await sql<MessagesChecked>`
    with ${looked(chunk)},
    noted as (
      insert into orderwheel.verify_pending (id, order_id, alone)
      select id, order_id, id = order_id from message
       where id <= ${upTo}::uuid and id not in (select id from known)
         and ((id in (select message_id from delivery where ${isUndone})) is true
              or (id in (select message_id from found)) is true)
      on conflict do nothing
    ), settled as (
      delete from orderwheel.verify_pending p
       where ${within('p.id', chunk)} and ${isMessage}
         and p.id not in (select message_id from delivery where ${isUndone})
         and p.id not in (select message_id from found)
         and p.id not in (select id from unrelayed)
    )
    select (select count(distinct order_id)::int from message where id <> order_id) as orders,
           (select count(*)::int from message) as messages,
           (select count(*)::int from delivery) as deliveries,
           coalesce((select json_agg(f) from (${asFindings}) f), '[]') as found`.execute(db)
  return rows[0] ?? { orders: 0, messages: 0, deliveries: 0, found: [] }
}

/** The same look, which notes nothing. */
export async function findInMessages(db: Db, chunk: Chunk): Promise<Finding[]> {
  const { rows } = await sql<Finding>`with ${looked(chunk)} ${asFindings}`.execute(db)
  return rows
}

const asFindings = sql`
  select kind, order_id as "orderId", message_id as "messageId", target, to_json(since) as since from found`

// Still to be told, or to be decided by a person.
const isUndone = sql`state not in ('delivered', 'skipped', 'shed', 'cancelled')`
const done = sql`('delivered', 'skipped', 'shed', 'cancelled')`

/** SQL that says of a row `p` of verify_pending that it is a message's. */
export const isMessage = sql<boolean>`(p.id <> p.order_id or p.alone)`

const hasJob = sql`state in ('queued', 'active', 'retrying')`

// Settling releases what waits, or leaves it to a worker's walk, which passes by every minute.
const releasedWithin = sql`interval '5 minutes'`

// Every table is read once, by a piece of an index, and compared by hash: `not in` keeps PostgreSQL from joining row by
// row, which it would choose for the newest ids, of which its statistics know nothing. `is true` does the same for `in`.
function looked(chunk: Chunk): RawBuilder<unknown> {
  const openLetters = sql`
    select l.message_id, l.target from orderwheel.dead_letters l
     where ${within('l.message_id', chunk)} and l.resolved_at is null`
  const successes = sql`
    select a.message_id, a.target from orderwheel.delivery_attempts a
     where ${within('a.message_id', chunk)} and a.outcome = 'delivered'`
  const liveJobs = sql`
    select j.id, q.target
      from (select distinct target from delivery where ${hasJob}) q
     cross join lateral (
       select j.id from pgboss.job j
        where j.name = q.target and ${within('j.id', chunk)} and j.state < 'completed' offset 0) j`
  return sql`
    ${wanted(chunk)}
    message as materialized (
      select m.id, m.order_id, m.targets, m.relayed_at from orderwheel.messages m where ${within('m.id', chunk)}
    ), delivery as materialized (
      select d.message_id, d.target, d.order_id, d.position, d.state, d.after, d.created_at, d.started_at, d.settled_at
        from orderwheel.deliveries d where ${within('d.message_id', chunk)}
    ), known as materialized (
      select p.id, p.order_id, p.noted_at, p.alone from orderwheel.verify_pending p
       where ${within('p.id', chunk)} and ${isMessage}
    ), unrelayed as materialized (
      select b.id from orderwheel.outbox b where b.order_id = any(array(select order_id from known))
      union all
      select b.id from orderwheel.outbox b
       where b.id = any(array(select id from known where alone)) and b.kind not like 'order.%'
    ), found as materialized (
      select 'message-missing' as kind, order_id, message_id, null::text as target, min(created_at) as since
        from delivery
       where settled_at is null and message_id not in (select id from message)
       group by order_id, message_id
      union all
      select 'message-missing', order_id, id, null, noted_at from known
       where id not in (select id from message)
         and id not in (select id from unrelayed)
         and id not in (select message_id from delivery where settled_at is null)
         and ${isKept}
         and (alone or exists (select from orderwheel.orders o where o.id = known.order_id)) is true
      union all
      select 'delivery-missing', m.order_id, m.id, t.target, m.relayed_at
        from message m cross join unnest(m.targets) as t(target)
       where (m.id, t.target) not in (select message_id, target from delivery)
      union all
      select 'delivery-missing', order_id, id, null, relayed_at from message
       where targets is null and id not in (select message_id from delivery)
      union all
      select 'delivery-not-routed', order_id, message_id, target, created_at from delivery
       where (message_id in (select id from message where targets is not null)) is true
         and (message_id, target) not in (select m.id, t.target from message m cross join unnest(m.targets) as t(target))
      union all
      select 'job-missing', order_id, message_id, target, coalesce(started_at, created_at) from delivery
       where ${hasJob} and (message_id, target) not in (${liveJobs})
      union all
      select 'letter-missing', order_id, message_id, target, settled_at from delivery
       where state = 'dead' and (message_id, target) not in (${openLetters})
      union all
      select 'attempt-missing', order_id, message_id, target, settled_at from delivery d
       where state = 'delivered'
         and case when (message_id, target) not in (${successes}) then not exists (${markedByHand}) else false end
      union all
      select case when b.in_the_way = 0 then 'waiting-for-nothing' else 'not-awaited' end,
             order_id, message_id, target, coalesce(b.settled_at, created_at)
        from delivery d
       cross join lateral (
         select count(*) filter (where b.state not in ${done}) as in_the_way,
                count(*) filter (where b.state not in ${done} and not b.awaited) as unaware,
                max(b.settled_at) as settled_at
           from orderwheel.deliveries b
          where b.order_id = d.order_id
            and (b.message_id = d.message_id and b.target = any(d.after)
                 or b.position < d.position and b.target = d.target)) b
       where state = 'waiting'
         and (b.unaware > 0
              or b.in_the_way = 0 and coalesce(b.settled_at, created_at) < now() - ${releasedWithin})
    )`
}

// What retention has dropped went with the month of its id, whatever the age of its order.
const isKept = sql`id >= coalesce(orderwheel.first_id(orderwheel.history_since()), ${firstId}::uuid)`

const markedByHand = sql`
  select from orderwheel.audit_log a
   where a.subject = d.order_id::text and a.action = 'delivery.marked-delivered'
     and a.details->>'messageId' = d.message_id::text and a.details->>'target' = d.target`
