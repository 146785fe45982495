import { createLog } from '#base/log.ts'
import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { simulatedVariables } from '#processes/simulated-variables.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'

import { connectionString, startOrderwheel } from './start-process.ts'
import { testDatabase, type TestDatabase } from './test-database.ts'

/** The shipped demo store in one process, `all`, with the simulated targets twenty times as fast as usual. */
export async function startDemoStore() {
  const database: TestDatabase = await testDatabase()
  await storeDevelopmentKeys(database.db)
  const simulator: Simulator = await startSimulator({
    port: 0,
    smtpPort: 0,
    speed: 20,
    log: createLog('test', 'silent'),
  })
  const environment: Record<string, string> = {
    ...simulatedVariables(simulator),
    DATABASE_URL: connectionString(database.connection),
    PORT: '0',
  }
  const all = startOrderwheel(['all'], environment)
  const [, url = ''] = await all.said(/listening at (http:\/\/[\d.:]+)/i)
  const headers = { authorization: 'Bearer ow_dev_storefront' }

  return {
    database,
    simulator,
    environment,
    url,
    async post(externalId: string, changes: object = {}): Promise<Response> {
      return fetch(`${url}/orders`, {
        method: 'POST',
        headers: {
          ...headers,
          'idempotency-key': externalId,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ ...exampleOrder(externalId), ...changes }),
      })
    },
    async read(externalId: string): Promise<OrderReport> {
      const response = await fetch(`${url}/orders?externalId=${externalId}`, { headers })
      return (await response.json()) as OrderReport
    },
    /** Runs a command of the CLI and answers what it printed; throws when it failed. */
    async run(...args: string[]): Promise<string> {
      const command = startOrderwheel(args, environment)
      const code = await command.ended
      if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${command.output()}`)
      return command.output()
    },
    async stop(): Promise<void> {
      const code = await all.stop()
      await simulator.stop()
      await database.close()
      if (code !== 0) throw new Error(`orderwheel all ended with ${code}:\n${all.output()}`)
    },
  }
}

export type DemoStore = Awaited<ReturnType<typeof startDemoStore>>

export type OrderReport = {
  state: string
  deliveries: {
    target: string
    state: string
    attempts: { outcome: string; reason: string | null; answer: unknown }[]
  }[]
}
