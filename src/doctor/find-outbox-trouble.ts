import { sql } from 'kysely'

import { printable } from '#base/printable.ts'

import { isOver, readBacklog } from '#outbox/read-backlog.ts'

import { sayAge } from './say-age.ts'
import type { Examination, Patient } from './examination.ts'
import type { Finding } from './finding.ts'

export const outboxTrouble: Examination = {
  subject: 'the outbox, and whether it moves',
  async examine(patient) {
    return {
      findings: [
        ...(await findStopped(patient)),
        ...(await findFull(patient)),
        ...(await findRefused(patient)),
      ],
    }
  },
}

type Stopped = { waiting: number; seconds: number; relays: number }

// A relay that is busy with a backlog relays something each second, whatever the age of the oldest. Later messages of
// an order whose message was refused wait for it: they are not due.
async function findStopped({ db, patienceSeconds }: Patient): Promise<Finding[]> {
  const { rows } = await sql<Stopped>`
    with due as materialized (
      select created_at from orderwheel.outbox b
       where try_after is null
         and not exists (select from orderwheel.outbox e
                          where e.order_id = b.order_id and e.position < b.position and e.try_after is not null)
       order by position limit 1000
    )
    select count(*)::int as waiting, extract(epoch from now() - min(created_at))::float8 as seconds,
           (select count(*)::int from pg_stat_activity
             where application_name = 'orderwheel-relay' and datname = current_database()) as relays
      from due
    having min(created_at) < now() - make_interval(secs => ${Math.min(patienceSeconds, usualSeconds)})
       and coalesce((select relayed_at from orderwheel.messages order by id desc limit 1), '-infinity')
           < now() - make_interval(secs => ${Math.min(patienceSeconds, usualSeconds)})`.execute(db)
  return rows.map(({ waiting, seconds, relays }) => ({
    kind: 'outbox-not-moving',
    severity: 'error',
    what: `${waiting === 1_000 ? 'A thousand or more messages wait' : `${waiting} messages wait`} in the outbox, the oldest for ${sayAge(seconds)}, and none has been relayed for a minute; ${relays === 0 ? 'no relay is connected' : 'a relay is connected'}.`,
    why: 'Nobody is told of these orders until they are relayed.',
    fix:
      relays === 0
        ? 'orderwheel relay # or "orderwheel all": start one'
        : 'Read the relay’s log: it says what fails. A lock it waits for is a finding of its own (blocked-session).',
  }))
}

const usualSeconds = 60

async function findFull({ db, intake }: Patient): Promise<Finding[]> {
  const backlog = await readBacklog(db, intake)
  if (!isOver(backlog, intake, false)) return []
  const { waiting, isExact, oldestSeconds } = backlog
  const isLong = waiting > intake.maxWaiting
  const many = isLong ? `${waiting}${isExact ? '' : ' or more'} messages` : 'Messages'
  const oldest = oldestSeconds === null ? '' : `, the oldest for ${sayAge(oldestSeconds)}`
  return [
    {
      kind: 'intake-full',
      severity: 'error',
      what: `${many} wait to be relayed${oldest}: ${isLong ? 'more' : 'longer'} than "intake" of the configuration lets them.`,
      why: 'POST /orders, POST /messages and POST /reports answer 429 until nine tenths of that are left.',
      fix: 'See whether the outbox moves (outbox-not-moving). If it does, it is over by itself; another relay makes it faster: orderwheel relay',
    },
  ]
}

async function findRefused({ db }: Patient): Promise<Finding[]> {
  const { rows } = await sql<{ refused: number; reason: string }>`
    select count(*)::int as refused, min(refusal) as reason
      from orderwheel.outbox where refusals > 0 having count(*) > 0`.execute(db)
  return rows.map(({ refused, reason }) => ({
    kind: 'message-refused',
    severity: 'error',
    what: `${refused} ${refused === 1 ? 'message' : 'messages'} cannot be relayed, for example: ${printable(reason).slice(0, 300)}`,
    why: 'Nobody is told of them, nor of anything that happened to their orders later, until the cause is gone.',
    fix: 'select id, kind, refusal, try_after from orderwheel.outbox where refusals > 0; -- Mend the configuration or deploy the version that knows the kind: they are tried again by themselves. One that is wrong itself: delete from orderwheel.outbox where id = …;',
  }))
}
