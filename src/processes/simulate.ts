import { createLog } from '#base/log.ts'
import { runUntilSignal } from '#base/run-until-signal.ts'
import { defineCommand } from '#cli/command.ts'
import { startSimulator } from '#simulator/start-simulator.ts'

import { readSpeed } from './read-speed.ts'

export const simulate = defineCommand({
  name: 'simulate',
  summary: 'Plays the demo shop’s slow targets: HTTP and SMTP',
  usage: '[--speed <number>]',
  options: {
    speed: { type: 'string', value: 'number', summary: 'Divides the latencies (default 1)' },
  },
  async run({ values }, { environment, print }) {
    const speed = readSpeed('simulate', values.speed)
    await runUntilSignal({
      async start(run) {
        const simulator = await startSimulator({
          host: environment.host,
          port: environment.simulatorPort,
          smtpPort: environment.smtpPort,
          speed,
          log: createLog('simulator', environment.logLevel ?? 'warn'),
        })
        run.add({ name: 'simulator', stage: 'targets', stop: () => simulator.stop() })
        print(
          `Simulated targets at ${simulator.url}, mail server at ${simulator.smtpUrl}. Ctrl-C stops.`,
        )
      },
    })
    return 0
  },
})
