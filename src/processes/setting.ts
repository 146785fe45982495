import type pg from 'pg'

import type { Environment } from '#base/environment.ts'
import type { Log } from '#base/log.ts'
import type { Run } from '#base/run-until-signal.ts'
import type { Config } from '#config/check-config.ts'

export type PartName = 'api' | 'relay' | 'worker'

/** What a process is started with. What it opens it adds to `run`, which stops it. */
export type Setting = {
  environment: Environment
  config: Config
  run: Run
  /** What this process runs. The last of them checks its connections against the server's limits. */
  parts: readonly PartName[]
  /** The connections of the parts, added as they are opened. */
  pools: pg.Pool[]
  /** The log of one part. */
  logOf: (part: string) => Log
}
