import type { Environment } from '#base/environment.ts'
import type { Log } from '#base/log.ts'
import type { Run } from '#base/run-until-signal.ts'
import type { Config } from '#config/check-config.ts'

/** What a process is started with. What it opens it adds to `run`, which stops it. */
export type Setting = {
  environment: Environment
  config: Config
  run: Run
  /** The log of one part: api, relay or worker. */
  logOf: (part: string) => Log
}
