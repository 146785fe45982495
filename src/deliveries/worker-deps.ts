import type { Deployment } from '#base/deployment.ts'
import type { Log } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import type { Boss } from '#queues/open-boss.ts'

/** What every part of a worker works with. */
export type WorkerDeps = {
  db: Db
  boss: Boss
  log: Log
  /** This process, as attempts and leases name it: host, pid and a random part. */
  worker: string
  /** Whether targets may be called from this database. */
  deployment: Deployment
  /** Called with the targets whose waiting deliveries got jobs, after the commit. */
  jobsAdded: (targets: readonly string[]) => void
  /** Called with a target whose circuit changed, after the commit. */
  targetChanged: (target: string) => void
}
