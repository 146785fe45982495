import { databaseOf } from '#base/environment.ts'
import { createLog } from '#base/log.ts'
import { runUntilSignal } from '#base/run-until-signal.ts'
import type { Context } from '#cli/command.ts'
import type { Config } from '#config/check-config.ts'
import { loadConfig } from '#config/load-config.ts'

import type { PartName, Setting } from './setting.ts'

export type ProcessOptions = {
  parts: readonly PartName[]
  start: (setting: Setting) => Promise<void>
  /** Ends the process when it resolves. */
  until?: (() => Promise<void>) | undefined
}

/** Runs a production process until it is asked to stop. Answers the exit code. */
export async function runProcess(
  { environment }: Context,
  { parts, start, until }: ProcessOptions,
): Promise<number> {
  databaseOf(environment)
  const config = await loadConfig({
    path: environment.configFile,
    environment: environment.variables,
  })
  const logOf = (part: string) => createLog(part, environment.logLevel ?? 'info')
  await runUntilSignal({
    async start(run) {
      run.add({ name: 'targets', stage: 'targets', stop: () => closeTargets(config) })
      await start({ environment, config, run, parts, pools: [], logOf })
    },
    ...(until ? { until } : {}),
    stopSeconds: environment.stopSeconds,
  })
  return 0
}

export async function closeTargets({ targets, payment }: Config): Promise<void> {
  await Promise.all([...targets, ...(payment ? [payment] : [])].map((one) => one.close()))
}
