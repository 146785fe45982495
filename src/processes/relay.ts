import { defineCommand } from '#cli/command.ts'
import { drainOutbox } from '#relay/run-relay.ts'

import { maxSecondsOption, readMaxSeconds, waitForSeconds } from './max-seconds.ts'
import { runProcess } from './run-process.ts'
import { openRelay, startRelay } from './start-relay.ts'

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
    if (!values.drain)
      return runProcess(context, startRelay, maxSeconds ? waitForSeconds(maxSeconds) : undefined)

    return runProcess(
      context,
      async (setting) => {
        const deadline = AbortSignal.timeout((maxSeconds ?? forEver) * 1_000)
        const options = await openRelay(setting)
        const signal = AbortSignal.any([setting.run.signal, deadline])
        const messages = await drainOutbox(options, signal)
        options.log.info({ messages }, 'drained')
      },
      async () => {},
    )
  },
})

// A day: a run from cron that takes longer has a successor.
const forEver = 86_400
