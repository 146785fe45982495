import { sql } from 'kysely'

import { printable } from '#base/printable.ts'

import { sayAge } from './say-age.ts'
import type { Examination } from './examination.ts'

export const blocked: Examination = {
  subject: 'sessions of ours that wait for somebody’s lock',
  async examine({ db, patienceSeconds }) {
    const { rows } = await sql<Blocked>`
      select b.pid, b.application_name as application, b.state, count(*)::int as waiting,
             max(extract(epoch from clock_timestamp() - w.query_start))::float8 as seconds
        from pg_stat_activity w
       cross join lateral unnest(pg_blocking_pids(w.pid)) as blocking(pid)
        join pg_stat_activity b on b.pid = blocking.pid
       where w.datname = current_database() and w.wait_event_type = 'Lock'
         and w.application_name like 'orderwheel-%' and w.application_name <> 'orderwheel-doctor'
         and w.query_start < clock_timestamp() - make_interval(secs => ${Math.min(patienceSeconds, usual)})
       group by b.pid, b.application_name, b.state
       order by waiting desc limit 5`.execute(db)
    return {
      findings: rows.map(({ pid, application, state, waiting, seconds }) => ({
        kind: 'blocked-session',
        severity: 'error',
        what: `pid ${pid} (${printable(application || 'no application name')}, ${state}) holds a lock that ${waiting} of our sessions wait for, for up to ${sayAge(seconds)}.`,
        why: 'Orders are refused, relayed or settled late while it holds it.',
        fix: `select pg_terminate_backend(${pid}); -- after seeing what it does: select query from pg_stat_activity where pid = ${pid}`,
      })),
    }
  },
}

type Blocked = { pid: number; application: string; state: string; waiting: number; seconds: number }

// Our own statements last tens of milliseconds, and none is let wait for more than 30 s.
const usual = 5
