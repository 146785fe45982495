import { defineCommand } from '#cli/command.ts'

import { runProcess } from './run-process.ts'
import { startApi } from './start-api.ts'

export const api = defineCommand({
  name: 'api',
  summary: 'Takes orders over HTTP',
  usage: '',
  options: {},
  run: (_given, context) =>
    runProcess(context, {
      parts: ['api'],
      async start(setting) {
        await startApi(setting)
      },
    }),
})
