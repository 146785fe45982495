import { defineCommand, usageError } from '#cli/command.ts'
import { suggestName } from '#config/suggest-name.ts'
import type { Worker } from '#deliveries/run-worker.ts'

import { maxSecondsOption, readMaxSeconds, waitForSeconds } from './max-seconds.ts'
import { runProcess } from './run-process.ts'
import type { Setting } from './setting.ts'
import { startWorker } from './start-worker.ts'

export const worker = defineCommand({
  name: 'worker',
  summary: 'Calls the targets',
  usage: '[--target <name> …] [--drain] [--max-seconds <seconds>]',
  options: {
    target: {
      type: 'string',
      multiple: true,
      value: 'name',
      summary: 'Only this target, repeatable (default: all)',
    },
    drain: { type: 'boolean', summary: 'Makes the deliveries that are due and exits' },
    'max-seconds': maxSecondsOption,
  },
  async run({ values }, context) {
    const maxSeconds = readMaxSeconds('worker', values['max-seconds'])
    let started: { worker: Worker; setting: Setting } | undefined
    const start = async (setting: Setting) => {
      refuseUnknown(values.target, setting)
      started = { worker: await startWorker(setting, values.target), setting }
    }
    const drained = async () => {
      if (!started) return
      const deadline = maxSeconds ? [AbortSignal.timeout(maxSeconds * 1_000)] : []
      await started.worker.drained(AbortSignal.any([started.setting.run.signal, ...deadline]))
    }
    if (values.drain) return runProcess(context, start, drained)
    return runProcess(context, start, maxSeconds ? waitForSeconds(maxSeconds) : undefined)
  },
})

function refuseUnknown(only: readonly string[] | undefined, { config }: Setting): void {
  const names = config.targets.map((target) => target.name)
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw usageError(
      'worker',
      `there is no target "${unknown}" in the configuration${suggestName(unknown, names)}`,
    )
}
