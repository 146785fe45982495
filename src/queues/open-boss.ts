import pg from 'pg'
import { PgBoss } from 'pg-boss'

import type { Log } from '#base/log.ts'

/** pg-boss on our own connections, so that its jobs and our rows share transactions and one budget. */
export type Boss = Pick<
  PgBoss,
  'insert' | 'fetch' | 'fail' | 'deleteJob' | 'createQueue' | 'updateQueue'
> & { stop(): Promise<void> }

export type BossOptions = {
  pool: pg.Pool
  /** Whether this process also runs pg-boss's maintenance (expiry and deletion of finished jobs). */
  supervise: boolean
  /** Shown in pg-boss's registry of instances: api, relay, worker. */
  name: string
  log: Log
}

/** Starts pg-boss without migrating: fails when its schema is missing or of another version. */
export async function openBoss({ pool, supervise, name, log }: BossOptions): Promise<Boss> {
  const boss = new PgBoss({
    db: sharedPool(pool),
    migrate: false,
    createSchema: false,
    schedule: false,
    supervise,
    instanceName: name,
    // Cancelled calls and lost workers are found by rescueJobs in seconds; this is the floor beneath it.
    monitorIntervalSeconds: 60,
    // We have no jobs that wait for other jobs; pg-boss would look into every queue for them each 5 s.
    flowIntervalSeconds: 86_400,
    // What can be rebuilt within our connections' 30 s; a larger one is left to a DBA, and pg-boss warns.
    reindex: { maxIndexBytes: 256 * 1024 * 1024 },
  })
  // Without a listener an error event would end the process.
  boss.on('error', (error) => log.warn({ err: error }, 'pg-boss maintenance failed'))
  boss.on('warning', (warning) => log.warn({ warning }, 'pg-boss warns'))
  await boss.start()
  // Nothing of pg-boss's own is in flight but maintenance, which the next process takes up.
  return Object.assign(boss, { stop: () => PgBoss.prototype.stop.call(boss, { graceful: false }) })
}

/** Creates or upgrades schema `pgboss`; safe from several machines at once (pg-boss takes a lock). */
export async function installPgBoss(pool: pg.Pool): Promise<void> {
  const boss = new PgBoss({ db: sharedPool(pool), schedule: false, supervise: false })
  const failures: Error[] = []
  boss.on('error', (error) => failures.push(error))
  await boss.start()
  await boss.stop({ graceful: false })
  if (failures[0]) throw failures[0]
}

function sharedPool(pool: pg.Pool) {
  return { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) }
}
