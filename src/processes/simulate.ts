import { createLog } from '#base/log.ts'
import { runUntilSignal } from '#base/run-until-signal.ts'
import { defineCommand } from '#cli/command.ts'
import { startSimulator } from '#simulator/start-simulator.ts'

import { readSpeed } from './read-speed.ts'
import { simulatedVariables } from './simulated-variables.ts'

export const simulate = defineCommand({
  name: 'simulate',
  summary: 'Plays the demo shop’s slow targets: HTTP and SMTP',
  usage: '[--speed <number>] | --variables',
  options: {
    speed: { type: 'string', value: 'number', summary: 'Divides the latencies (default 1)' },
    variables: {
      type: 'boolean',
      summary: 'Starts nothing: prints what the demo’s configuration names, for eval',
    },
  },
  async run({ values }, { environment, print }) {
    const speed = readSpeed('simulate', values.speed)
    if (values.variables === true) {
      const { host, simulatorPort, smtpPort } = environment
      const at = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
      const variables = simulatedVariables({
        url: `http://${at}:${simulatorPort}`,
        smtpUrl: `smtp://${at}:${smtpPort}`,
      })
      for (const [name, value] of Object.entries(variables)) print(`export ${name}='${value}'`)
      return 0
    }
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
