import { setTimeout } from 'node:timers/promises'

import { suggestName } from '#base/suggest-name.ts'
import { defineCommand, usageError } from '#cli/command.ts'
import { isTransient } from '#database/transient-error.ts'
import type { Worker } from '#deliveries/run-worker.ts'

import { checkDeadlines } from './check-deadlines.ts'
import {
  deadlineAfter,
  maxSecondsOption,
  readMaxSeconds,
  waitForSeconds,
  workUntil,
} from './max-seconds.ts'
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
    const deadline = deadlineAfter(maxSeconds)
    let started: { worker: Worker; setting: Setting } | undefined
    const start = async (setting: Setting) => {
      refuseUnknown(values.target, setting)
      checkDeadlines(setting, values.target)
      const worker = await workUntil(deadline, setting, (limited) =>
        startWorker(limited, values.target),
      )
      started = { worker, setting }
    }
    const drained = async () => {
      if (!started) return
      const { worker, setting } = started
      await workUntil(deadline, setting, (limited) => drain(worker, limited))
    }
    const ended = values.drain ? drained : maxSeconds && waitForSeconds(maxSeconds)
    return runProcess(context, { parts: ['worker'], start, until: ended || undefined })
  },
})

async function drain(worker: Worker, { run: { signal }, logOf }: Setting): Promise<void> {
  const log = logOf('worker')
  for (;;) {
    try {
      await worker.drained(signal)
      if (signal.aborted) log.info('not drained in time')
      else log.info('drained')
      return
    } catch (error) {
      // The server may go away at any moment, and comes back.
      if (!isTransient(error) || signal.aborted) throw error
      log.warn({ err: error }, 'the database did not answer, trying again')
      await setTimeout(1_000, undefined, { signal })
    }
  }
}

function refuseUnknown(only: readonly string[] | undefined, { config }: Setting): void {
  const names = config.targets.map((target) => target.name)
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw usageError(
      'worker',
      `there is no target "${unknown}" in the configuration${suggestName(unknown, names)}`,
    )
}
