import { sql } from 'kysely'

import { printable } from '#base/printable.ts'

import { sayAge } from './say-age.ts'
import type { Examination, Patient } from './examination.ts'
import { findReplicationHolders } from './find-replication-holders.ts'
import type { Finding } from './finding.ts'

export const xminHolders: Examination = {
  subject:
    'transactions, prepared transactions, standbys and replication slots that keep dead rows from being removed',
  async examine(patient) {
    const { rows } = await sql<{ hidden: number }>`
      select count(*)::int as hidden from pg_stat_activity
       where query = '<insufficient privilege>'`.execute(patient.db)
    const hidden = rows[0]?.hidden ?? 0
    return {
      findings: [
        ...(await findTransactions(patient)),
        ...(await findPrepared(patient)),
        ...(await findReplicationHolders(patient)),
      ],
      ...(hidden > 0
        ? {
            unseen: `transactions of ${hidden} sessions of other roles: grant pg_monitor to this one`,
          }
        : {}),
    }
  },
}

const why =
  'No vacuum removes a row that died since: queues and outbox grow, and looking for work takes ever longer.'

type Holder = {
  pid: number
  application: string
  state: string
  user: string
  seconds: number
  age: number
}

// age() of the horizon in transactions; its time, because that is what people can tell.
async function findTransactions({ db, patienceSeconds }: Patient): Promise<Finding[]> {
  const { rows } = await sql<Holder>`
    select pid, application_name as application, state, usename as user,
           extract(epoch from clock_timestamp() - xact_start)::float8 as seconds,
           greatest(age(backend_xmin), age(backend_xid)) as age
      from pg_stat_activity
     where (backend_xmin is not null or backend_xid is not null)
       and xact_start < clock_timestamp() - make_interval(secs => ${patienceSeconds})
       -- vacuum's own snapshot holds nobody up; whoever has no name yet is being let in
       and backend_type in ('client backend', 'parallel worker', 'background worker', 'walsender')
       and usename is not null and application_name <> 'orderwheel-doctor' and pid not in (select pid from pg_stat_progress_vacuum)
       and (datname = current_database() or datname is null)
     order by xact_start limit 5`.execute(db)
  return rows.map(({ pid, application, state, user, seconds, age }) => ({
    kind: 'xmin-held',
    severity: 'warning',
    what: `pid ${pid} (${printable(application || 'no application name')}, user ${user}, ${state}) has a transaction open for ${sayAge(seconds)}; ${age} transactions have begun since.`,
    why,
    fix: `select pg_terminate_backend(${pid}); -- after seeing what it does: select query from pg_stat_activity where pid = ${pid}`,
  }))
}

type Prepared = { gid: string; owner: string; literal: string; age: number; seconds: number }

async function findPrepared({ db, patienceSeconds }: Patient): Promise<Finding[]> {
  const { rows } = await sql<Prepared>`
    select gid, owner, quote_literal(gid) as literal, age(transaction) as age,
           extract(epoch from clock_timestamp() - prepared)::float8 as seconds
      from pg_prepared_xacts
     where database = current_database() and prepared < clock_timestamp() - make_interval(secs => ${patienceSeconds})
     order by prepared limit 5`.execute(db)
  return rows.map(({ gid, owner, seconds, literal, age }) => ({
    kind: 'prepared-transaction',
    severity: 'warning',
    what: `Transaction ${printable(gid)} of ${owner} was prepared ${sayAge(seconds)} ago, and neither committed nor rolled back; ${age} transactions have begun since.`,
    why: `${why} It survives restarts, and keeps its locks.`,
    fix: `rollback prepared ${printable(literal)}; -- or commit prepared, as whoever prepared it decides`,
  }))
}
