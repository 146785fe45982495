import { defineCommand } from '#cli/command.ts'

import { checkDeadlines } from './check-deadlines.ts'
import { runProcess } from './run-process.ts'
import type { Setting } from './setting.ts'
import { startApi } from './start-api.ts'
import { startRelay } from './start-relay.ts'
import { startWorker } from './start-worker.ts'

export const all = defineCommand({
  name: 'all',
  summary: 'api, relay and worker in one process',
  usage: '',
  options: {},
  run: (_given, context) =>
    runProcess(context, {
      parts: ['api', 'relay', 'worker'],
      async start(setting) {
        // The api at once, its /readyz says why it is not ready; the others wait for the schema.
        await startApi(setting)
        checkDeadlines(setting)
        await startBehind(setting)
      },
    }),
})

/** Relay and worker at the same time: each waits for the database. Rejects when both have ended starting. */
export async function startBehind(setting: Setting): Promise<void> {
  const starts = await Promise.allSettled([startWorker(setting), startRelay(setting)])
  const failed = starts.find((start) => start.status === 'rejected')
  if (failed) throw failed.reason
}
