import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'
import { expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { openDatabase } from '#database/open-database.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { installPgBoss } from '#queues/open-boss.ts'
import { simulatedVariables } from '#processes/simulated-variables.ts'
import { startSimulator } from '#simulator/start-simulator.ts'

import { behave, callsOf, mailsOf } from '../support/ask-simulator.ts'
import { demoTargets } from '../support/demo-targets.ts'
import { eventually } from '../support/eventually.ts'
import { startOrderwheel } from '../support/start-process.ts'

const silent = createLog('test', 'silent')
const orders = 120

test(
  'PostgreSQL restarts under load: every process reconnects by itself, and no order is lost',
  { timeout: 180_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'orderwheel-restart-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const dataDirectory = join(folder, 'postgres')
    let server = await startEmbeddedPostgres({ dataDirectory })
    stack.defer(() => server.stop())
    await prepare(server.connection)
    const simulator = await startSimulator({ port: 0, smtpPort: 0, speed: 100, log: silent })
    stack.defer(() => simulator.stop())
    await behave(simulator, 'erp', { latencyMs: 500 })

    const environment = {
      ...simulatedVariables(simulator),
      DATABASE_URL: server.connectionString,
      PORT: '0',
      LOG_LEVEL: 'info',
    }
    const api = startOrderwheel(['api'], environment)
    const others = [
      startOrderwheel(['relay'], environment),
      startOrderwheel(['worker'], environment),
    ]
    for (const part of [api, ...others]) stack.defer(async () => void (await part.stop()))
    const [, url = ''] = await api.said(/listening at (http:\/\/[\d.:]+)/i)

    let accepted = 0
    const buyers = Array.from({ length: 4 }, async (_, buyer) => {
      for (let n = buyer; n < orders; n += 4) {
        await post(url, `WEB-${n}`)
        accepted += 1
      }
    })
    for (const share of [0.25, 0.6]) {
      await eventually(() => accepted >= orders * share, { withinSeconds: 60 })
      await server.stop()
      server = await startEmbeddedPostgres({ dataDirectory, port: server.port })
    }
    await Promise.all(buyers)

    const client = new pg.Client(server.connection)
    await client.connect()
    stack.defer(() => client.end())
    await eventually(async () => (await openDeliveries(client)) === 0, { withinSeconds: 90 })
    const states = await client.query(
      'select target, state, count(*)::int from orderwheel.deliveries group by 1, 2 order by 1',
    )
    const all = (target: string) => ({ target, state: 'delivered', count: orders })
    expect(states.rows).toEqual(demoTargets.map(all))
    const told = (await callsOf(simulator, 'erp')).map((call) => call.path)
    expect(new Set(told).size).toBe(orders)
    expect(new Set((await mailsOf(simulator)).map((mail) => mail.subject)).size).toBe(orders)
    for (const part of [api, ...others]) expect(part.child.exitCode).toBeNull()
  },
)

async function prepare(connection: pg.ClientConfig): Promise<void> {
  await migrateDatabase(connection, silent)
  const database = openDatabase({
    connection,
    applicationName: 'orderwheel-test',
    maxConnections: 2,
    onConnectionLost: () => {},
  })
  await installPgBoss(database.pool)
  await storeDevelopmentKeys(database.db)
  await database.close()
}

/** A storefront that does as the documentation says: repeats with the same key until it has an answer. */
async function post(url: string, externalId: string): Promise<void> {
  const body = JSON.stringify(exampleOrder(externalId))
  await eventually(
    async () => {
      const response = await fetch(`${url}/orders`, {
        method: 'POST',
        headers: {
          authorization: 'Bearer ow_dev_storefront',
          'idempotency-key': externalId,
          'content-type': 'application/json',
        },
        body,
      })
      return response.status === 202
    },
    { withinSeconds: 60 },
  )
}

async function openDeliveries(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ open: number }>(`
    select (select count(*) from orderwheel.outbox)
         + (select count(*) from orderwheel.deliveries where settled_at is null) as open`)
  return Number(rows[0]?.open)
}
