import { createLog } from '#base/log.ts'
import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { simulatedVariables } from '#processes/simulated-variables.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'

import { callsOf, type RecordedCall } from './ask-simulator.ts'
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
    async cancel(id: string): Promise<void> {
      const answer = await fetch(`${url}/orders/${id}/cancellation`, { method: 'POST', headers })
      if (answer.status !== 202) throw new Error(await answer.text())
    },
    async receipt(id: string): Promise<Uint8Array> {
      const answer = await fetch(`${url}/orders/${id}/receipt`, { headers })
      if (answer.status !== 200) throw new Error(await answer.text())
      return answer.bytes()
    },
    async addMessage(message: object): Promise<Response> {
      return fetch(`${url}/messages`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(message),
      })
    },
    async readMessage(id: string): Promise<{ state: string }> {
      const response = await fetch(`${url}/messages/${id}`, { headers })
      return (await response.json()) as { state: string }
    },
    async read(externalId: string): Promise<OrderReport> {
      const response = await fetch(`${url}/orders?externalId=${externalId}`, { headers })
      return (await response.json()) as OrderReport
    },
    /** What a simulated target was asked about this: a number in its path or body, or a message's id in its key. */
    async callsAbout(what: string, target: string): Promise<RecordedCall[]> {
      const calls = await callsOf(simulator, target)
      return calls.filter(({ path, rawBody, idempotencyKey }) =>
        `${path} ${rawBody} ${idempotencyKey}`.includes(what),
      )
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
  id: string
  state: string
  deliveries: {
    target: string
    message: { kind: string }
    state: string
    attempts: { outcome: string; reason: string | null; answer: { text?: string } | null }[]
  }[]
}
