import { sql } from 'kysely'

import { printable } from '#base/printable.ts'

import type { Patient } from './examination.ts'
import type { Finding } from './finding.ts'

/** Replication slots that nobody reads, and standbys and slots in use whose reader is far behind. */
export async function findReplicationHolders(patient: Patient): Promise<Finding[]> {
  return [
    ...(await findStandbys(patient)),
    ...(await findSlotsInUse(patient)),
    ...(await findIdleSlots(patient)),
  ]
}

// Who is connected moves its horizon on all the time, and tells no time: what a busy shop begins within the patience.
const transactionsPerSecond = 300

type Standby = { pid: number; application: string; user: string; age: number }

async function findStandbys({ db, patienceSeconds }: Patient): Promise<Finding[]> {
  const { rows } = await sql<Standby>`
    select pid, application_name as application, usename as user, age(backend_xmin) as age
      from pg_stat_replication
     where age(backend_xmin) > ${patienceSeconds * transactionsPerSecond}
     order by age desc limit 5`.execute(db)
  return rows.map(({ pid, application, user, age }) => ({
    kind: 'xmin-held',
    severity: 'warning',
    what: `Standby ${printable(application || 'without a name')} (pid ${pid}, user ${user}) keeps rows for a query of its own (hot_standby_feedback); ${age} transactions have begun since.`,
    why: 'No vacuum of this server removes a row that died since: queues and outbox grow, and looking for work takes ever longer.',
    fix: endOnStandby,
  }))
}

const endOnStandby =
  'select pg_terminate_backend(pid), application_name, query from pg_stat_activity where backend_xmin is not null order by age(backend_xmin) desc limit 1; -- on the standby; for good: alter system set hot_standby_feedback = off; select pg_reload_conf();'

type SlotInUse = {
  name: string
  literal: string
  isPhysical: boolean
  pid: number
  application: string | null
  age: number
}

async function findSlotsInUse({ db, patienceSeconds }: Patient): Promise<Finding[]> {
  const { rows } = await sql<SlotInUse>`
    select slot_name as name, quote_literal(slot_name) as literal, slot_type = 'physical' as "isPhysical",
           active_pid as pid, r.application_name as application, greatest(age(xmin), age(catalog_xmin)) as age
      from pg_replication_slots s left join pg_stat_replication r on r.pid = s.active_pid
     where active and greatest(age(xmin), age(catalog_xmin)) > ${patienceSeconds * transactionsPerSecond}
     order by age desc limit 5`.execute(db)
  return rows.map(({ name, literal, isPhysical, pid, application, age }) => ({
    kind: 'replication-slot',
    severity: 'warning',
    what: `Replication slot ${name}, in use by ${printable(application || 'nobody with a name')} (pid ${pid}), keeps rows since ${age} transactions ago.`,
    why: isPhysical
      ? 'No vacuum of this server removes a row that died since: queues and outbox grow.'
      : 'No vacuum removes a row of the catalogs that died since, and planning anything takes ever longer.',
    fix: isPhysical
      ? endOnStandby
      : `Let its subscriber catch up (select * from pg_stat_replication where pid = ${pid}), or give it up: select pg_terminate_backend(${pid}); select pg_drop_replication_slot(${literal});`,
  }))
}

type IdleSlot = { name: string; literal: string; age: number | null; bytes: number }

/** A slot that nobody reads keeps rows or write-ahead log for ever. */
async function findIdleSlots({ db, patienceSeconds }: Patient): Promise<Finding[]> {
  const { rows } = await sql<IdleSlot>`
    select slot_name as name, quote_literal(slot_name) as literal,
           greatest(age(xmin), age(catalog_xmin)) as age,
           coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                                         else pg_current_wal_lsn() end, restart_lsn), 0)::float8 as bytes
      from pg_replication_slots
     where inactive_since < clock_timestamp() - make_interval(secs => ${patienceSeconds})
       and (xmin is not null or catalog_xmin is not null
            or pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                                    else pg_current_wal_lsn() end, restart_lsn) > ${mostWalBytes})
     order by 3 desc nulls last limit 5`.execute(db)
  return rows.map(({ name, literal, age, bytes }) => ({
    kind: 'replication-slot',
    severity: 'warning',
    what: `Nobody reads replication slot ${name}, which keeps ${Math.round(bytes / 1_048_576)} MB of write-ahead log${age === null ? '' : ` and rows since ${age} transactions ago`}.`,
    why: 'What it keeps grows until the disk is full, and then no order is taken any more.',
    fix: `select pg_drop_replication_slot(${literal}); -- or start the standby or subscriber that it is for`,
  }))
}

// More than a standby that is restarted misses, less than what fills a disk.
const mostWalBytes = 1_073_741_824
