import { defineCommand } from '#cli/command.ts'
import { reconcileAll } from '#payments/start-reconciling.ts'
import { drainOutbox } from '#relay/run-relay.ts'

import {
  deadlineAfter,
  maxSecondsOption,
  readMaxSeconds,
  waitForSeconds,
  workUntil,
} from './max-seconds.ts'
import { runProcess } from './run-process.ts'
import type { Setting } from './setting.ts'
import { openRelay, reconciliation, startRelay } from './start-relay.ts'

export const relay = defineCommand({
  name: 'relay',
  summary: 'Turns messages into jobs',
  usage: '[--drain] [--max-seconds <seconds>]',
  options: {
    drain: { type: 'boolean', summary: 'Relays what is there and exits' },
    'max-seconds': maxSecondsOption,
  },
  async run({ values }, context) {
    const maxSeconds = readMaxSeconds('relay', values['max-seconds'])
    const deadline = deadlineAfter(maxSeconds)
    const start = (setting: Setting) =>
      workUntil(deadline, setting, values.drain ? drain : startRelay)
    const ended = values.drain ? async () => {} : maxSeconds && waitForSeconds(maxSeconds)
    return runProcess(context, { parts: ['relay'], start, until: ended || undefined })
  },
})

async function drain(setting: Setting): Promise<void> {
  const { signal } = setting.run
  const options = await openRelay(setting)
  const paying = reconciliation(setting, options, () => {})
  // First: what is paid is told.
  if (paying) await reconcileAll(paying, signal)
  const messages = await drainOutbox(options, signal)
  if (signal.aborted) options.log.info({ messages }, 'not drained in time')
  else options.log.info({ messages }, 'drained')
}
