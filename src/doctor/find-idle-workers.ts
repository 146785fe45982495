import { sql } from 'kysely'

import { lostAfterSeconds } from '#base/lost-after.ts'
import { readOwner } from '#owner/read-owner.ts'
import { hasLostJob } from '#queues/jobs.ts'

import { sayAge } from './say-age.ts'
import type { Examination, Patient } from './examination.ts'
import type { Finding } from './finding.ts'

export const idleWorkers: Examination = {
  subject: 'workers, and whether they work on what is due',
  async examine(patient) {
    // In a copy of somebody else's database nobody is to work; that is said by its own finding.
    if (!(await readOwner(patient.db, patient.deployment)).delivers) return { findings: [] }
    const waiting = await readWaiting(patient)
    const [first] = waiting
    if (!first) return { findings: [] }
    return { findings: first.workers === 0 ? [noWorker(waiting)] : waiting.map(idleWorker) }
  },
}

type Waiting = { target: string; workers: number; leased: boolean; lost: boolean; seconds: number }

/**
 * Targets that may be called and have a job that is due for longer than patience, or held by a worker that died,
 * while none of their jobs is being worked on. Not: paused, an open circuit, a rate whose next turn is to come.
 */
async function readWaiting({ db, patienceSeconds }: Patient): Promise<Waiting[]> {
  const patience = sql`make_interval(secs => ${Math.min(patienceSeconds, usualSeconds)})`
  const { rows } = await sql<Waiting>`
    select t.name as target, lost, coalesce(extract(epoch from now() - due.since), 0)::float8 as seconds,
           exists (select from orderwheel.slot_leases l
                    where l.target = t.name and l.renewed_at > now() - make_interval(secs => ${lostAfterSeconds})) as leased,
           (select count(distinct coalesce(client_addr, '127.0.0.1')) from pg_stat_activity
             where application_name in ('orderwheel-worker', 'orderwheel-worker-listen')
               and datname = current_database())::int as workers
      from orderwheel.targets t
     cross join lateral (
       select least(${oldestDue('created')}, ${oldestDue('retry')}) as since, ${hasLostJob(sql.ref('t.name'))} as lost) due
     where t.circuit = 'closed'
       and not (t.paused_at is not null and coalesce(t.paused_until > now(), true))
       -- a rate may have its calls booked for hours ahead, an open circuit or a pause may have ended a moment ago
       and coalesce(t.next_call_at < now() - ${patience}, true)
       and t.circuit_since < now() - ${patience}
       and coalesce(t.paused_until < now() - ${patience}, true)
       and (due.since < now() - ${patience} or lost)
       and not exists (select from pgboss.job j
                        where j.name = t.name and j.state = 'active'
                          and j.heartbeat_on > now() - make_interval(secs => ${lostAfterSeconds}))
       and not exists (select from orderwheel.target_counts c
                        where c.target = t.name and c.period > now() - ${patience} - interval '20 seconds')
     order by seconds desc`.execute(db)
  // A worker takes a lost job back within seconds: for a moment it is no finding.
  return rows.filter(({ lost, workers, seconds }) => seconds > 0 || (lost && workers === 0))
}

const usualSeconds = 60

/** Since when the oldest of the due jobs of a target is due. */
function oldestDue(state: 'created' | 'retry') {
  return sql`(select min(j.start_after) from (
    select start_after from pgboss.job j
     where j.name = t.name and j.state = ${sql.lit(state)} and not j.blocked and j.start_after <= now()
     order by j.start_after limit 1000) j)`
}

function noWorker(waiting: readonly Waiting[]): Finding {
  const names = waiting.map(({ target }) => target)
  const longest = Math.max(...waiting.map(({ seconds }) => seconds))
  return {
    kind: 'no-worker',
    severity: 'error',
    what: `No worker is connected, and deliveries to ${names.slice(0, 10).join(', ')}${names.length > 10 ? ' …' : ''} are due${longest > 0 ? ` for up to ${sayAge(longest)}` : ''}.`,
    why: 'Nobody tells these targets anything until one is.',
    fix: 'orderwheel worker # or "orderwheel all": start one, and look into the log of the last for why it ended',
  }
}

function idleWorker({ target, leased, seconds }: Waiting): Finding {
  return {
    kind: 'worker-idle',
    severity: 'error',
    what: `A delivery to ${target} has been due for ${sayAge(seconds)}, and nobody works on any, although ${leased ? 'a worker has slots of it' : 'workers are connected'}.`,
    why: 'A worker that is alive and does nothing is noticed by nobody but the buyers.',
    fix: leased
      ? 'Restart the workers one after the other; what they held is taken back within 12 s. Keep their logs.'
      : `Start a worker that takes ${target}: those that run may have been started with --target others.`,
  }
}
