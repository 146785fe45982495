import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { oldestDueSeconds, waitingMessages } from '#database/outbox-backlog.ts'
import { intakeDefaults, type IntakeLimits, resumesAt } from '#messages/intake-limits.ts'

import { sayShed } from '#messages/say-shed.ts'

import type { AlertKind } from './alert-kinds.ts'
import { missingMonths } from './missing-months.ts'
import { raiseAlert } from './raise-alert.ts'
import { resolveAlert } from './resolve-alert.ts'

/** One look at what nobody else raises an alert about; ends those that are over. Writes only what changes. */
export async function watchShop(db: Db, intake: IntakeLimits = intakeDefaults): Promise<void> {
  for (const { kind, subject, text, open } of await look(db, intake)) {
    if (text !== null && text !== open) await raiseAlert(db, { kind, subject, text })
    // Only a verification that works ends what says that none does.
    const isEnded = kind !== 'verify.failed' || subject === 'full'
    if (text === null && open !== null && isEnded) await resolveAlert(db, { kind, subject })
  }
}

// As the api says it, which begins at the limit and ends somewhat below.
function isFull({ maxWaiting, maxAgeSeconds }: IntakeLimits) {
  const enough = Math.floor(maxWaiting * resumesAt)
  const isLong = sql`${waitingMessages({ enough, most: maxWaiting + 1 })} > ${maxWaiting}::int`
  return maxAgeSeconds === null
    ? isLong
    : sql`(${isLong} or coalesce(${oldestDueSeconds}, 0) > ${maxAgeSeconds}::int)`
}

type Seen = {
  kind: AlertKind
  subject: string
  /** What is to be said; null: nothing. */
  text: string | null
  /** What the open alert says; null: none is open. */
  open: string | null
}

// Not whether there are any dead letters: one that is left for next week would hide the hundreds of tomorrow. Nor what
// waits in the outbox behind a refused message of its order, which a verification names as stuck.
//
// That somebody tries to verify says nothing: a pass may fail each time. One that goes on for long, as when a person
// verifies everything, is waited for; the first one of all, which nothing else can go before, for 2 days.
async function look(db: Db, intake: IntakeLimits): Promise<Seen[]> {
  const { rows } = await sql<Seen>`
    with verified as (
      select s.*, coalesce(last.finished_at, since) as verified_at
        from (select *, (select applied_at from orderwheel.schema_migrations
                          where name = '0004-reconciliation.sql') as since from orderwheel.verify_state) s
        left join lateral (select finished_at from orderwheel.verifications
                            where failure is null and finished_at <= now() -- not of a clock that was ahead
                            order by finished_at desc limit 1) last on true
    ), seen as (
      select 'dead-letters' as kind, t.name as subject,
             case when l.letters > 0 then
               t.name || ': ' || l.letters || ' new dead ' || case when l.letters = 1 then 'letter' else 'letters' end
               || ' in the last hour. "orderwheel dead-letters groups" says why.' end as text
        from orderwheel.targets t
       cross join lateral (
         select count(*) as letters from orderwheel.dead_letters l
          where l.target = t.name and l.resolved_at is null and l.died_at > now() - interval '1 hour'
            and l.reason <> ${sayShed}) l -- those are listed to be replayed
      union all
      select 'outbox', '', (
        select 'The outbox is not moving: its oldest message has been waiting for '
               || floor(extract(epoch from now() - b.created_at) / 60) || ' minutes. Is a relay running?'
          from (select created_at from orderwheel.outbox o
                 where try_after is null
                   and not exists (select from orderwheel.outbox e
                                    where e.order_id = o.order_id and e.position < o.position and e.try_after is not null)
                 order by position limit 1) b
         where b.created_at < now() - interval '5 minutes')
      union all
      select 'intake', '',
             case when ${isFull(intake)} then
               'Orders and messages are refused (429): more wait to be relayed than "intake" of the configuration takes. "orderwheel doctor" says whether the outbox moves.' end
      union all
      select 'payments', '', (
        select 'It is not known whether ' || case when count(*) = 1 then 'an order was' else count(*) || ' orders were' end
               || ' charged, for more than 10 minutes. "orderwheel payments list" says what the gateway answers, "orderwheel payments settle" ends what it will never say. Is a relay running?'
          from orderwheel.payments where state = 'pending' and begun_at < now() - interval '10 minutes'
        having count(*) > 0)
      union all
      select 'shedding', s.target,
             case when coalesce(s.ended_at, now()) > now() - interval '10 minutes' then
               s.target || ' sheds: it is not told of what happens while so much is open for it. "orderwheel targets" says why it is behind, "orderwheel dead-letters replay --shed" tells it later.' end
        from orderwheel.shedding s
       where s.began_at is not null
      union all
      select 'verify.failed', '',
             case when verified_at < now() - interval '30 minutes' and (claimed_until <= now() or verified_at < now() - interval '2 hours')
             then 'Orders have not been verified for more than 30 minutes. The log of the relay says why ("verification failed" or "verification interrupted, trying again").' end
        from verified where watermark is not null or full_walk is null
      union all
      select 'verify.failed', 'full',
             case when coalesce(full_at, since) < now() - interval '2 days'
                  then 'Orders have not been verified as a whole for more than 2 days, which is done once a day. The log of the relay says why ("verification failed" or "verification interrupted, trying again").'
                  when exists (select from orderwheel.verifications
                                where is_full and failure is not null and finished_at > coalesce(full_at, '-infinity'))
                  then 'Orders cannot be verified as a whole, only what is open or new: the log of the relay says why ("verification failed").' end
        from verified
      union all
      select 'partitions', '', ${missingMonths}
    )
    select s.kind, s.subject, s.text, a.text as open
      from seen s
      left join orderwheel.alerts a on a.kind = s.kind and a.subject = s.subject and a.resolved_at is null
     where s.text is not null or a.text is not null
     order by s.kind, s.subject`.execute(db)
  return rows
}
