import type { ClientConfig } from 'pg'
import type pg from 'pg'

import type { Deployment } from '#base/deployment.ts'
import type { Db } from '#database/open-database.ts'
import type { IntakeLimits } from '#messages/intake-limits.ts'
import type { Routes } from '#messages/message-kinds.ts'
import type { Target } from '#targets/target.ts'

import type { Finding } from './finding.ts'

/** What every examination works with. Its statements end after `examinationMs`. */
export type Patient = {
  db: Db
  pool: pg.Pool
  /** As processes reach it, perhaps through a pooler, and past it. */
  database: ClientConfig
  directDatabase: ClientConfig | undefined
  poolSize: number
  deployment: Deployment
  targets: readonly ExaminedTarget[]
  routes: Routes
  /** From when on orders, messages and requests for reports are refused. */
  intake: IntakeLimits
  /** Why there is no configuration: then what can be said without is. */
  unconfigured?: string
  /** What lasts for less is no finding. */
  patienceSeconds: number
  /** Smaller indexes may be as empty as they like. */
  leastIndexBytes: number
  /** This machine's clock, ms since the epoch. */
  now: () => number
}

export type ExaminedTarget = Pick<Target, 'name' | 'retry' | 'timeoutSeconds'>

/** One thing that is looked at. */
export type Examination = {
  /** For the list of what was examined. */
  subject: string
  examine: (patient: Patient) => Promise<Examined>
}

export type Examined = {
  findings: Finding[]
  /** What this role may not see, or what is needed for it and not there. */
  unseen?: string
}
