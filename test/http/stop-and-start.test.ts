import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import { expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { openDatabase } from '#database/open-database.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
import { buildApp } from '#http/build-app.ts'
import { createKey } from '#keys/create-key.ts'

import { eventually } from '../support/eventually.ts'
import { newOrder, send, someoneWaitsForALock, startTestApi } from './test-api.ts'

const silent = createLog('test', 'silent')

test('while the database is down orders are refused with 503, and taken again when it is back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-outage-'))
  const dataDirectory = join(folder, 'postgres')
  let server = await startEmbeddedPostgres({ dataDirectory })
  await migrateDatabase(server.connection, silent)
  const database = openDatabase({
    connection: server.connection,
    applicationName: 'test',
    maxConnections: 5,
    onConnectionLost: () => {},
  })
  const { key } = await createKey(database.db, { name: 'k', scopes: ['orders:write'], who: 'test' })
  const app = await buildApp({
    ...database,
    log: silent,
    outboxChanged: () => {},
    production: true,
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const order = newOrder()
  const post = () =>
    send(`${url}/orders`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': order.externalId,
      },
      body: JSON.stringify(order),
    })
  try {
    expect((await send(`${url}/readyz`)).status).toBe(200)
    const placed = await post()
    expect(placed.status).toBe(202)

    await server.stop()
    const refused = await post()
    expect(refused).toMatchObject({ status: 503, body: { code: 'database-unavailable' } })
    expect(refused.headers.get('retry-after')).toBe('1')
    // What was answered a second ago is forgotten by then.
    const notReady = await eventually(async () => {
      const answer = await send(`${url}/readyz`)
      return answer.status === 503 && answer
    })
    expect(notReady).toMatchObject({
      body: { code: 'not-ready', detail: expect.stringMatching('database does not answer') },
    })
    expect((await send(`${url}/livez`)).status).toBe(200)

    server = await startEmbeddedPostgres({ dataDirectory, port: server.port })
    const again = await eventually(async () => {
      const answer = await post()
      return answer.status === 202 && answer
    })
    expect(again.text).toBe(placed.text)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
  } finally {
    await app.close()
    await database.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

test('a process whose database is not migrated says so', async () => {
  const schemaReady = async () => ({ ready: false, reason: 'waiting for migration 0007' })
  const api = await startTestApi({ schemaReady })
  try {
    expect(await api.get('/readyz')).toMatchObject({
      status: 503,
      body: { code: 'not-ready', detail: 'waiting for migration 0007' },
    })
  } finally {
    await api.close()
  }
})

test('however often it is asked whether it is ready, a process asks its database once a second', async () => {
  let asked = 0
  let now = 1_000_000
  const schemaReady = async () => {
    asked += 1
    return { ready: true }
  }
  const api = await startTestApi({ schemaReady, now: () => now })
  try {
    const answers = await Promise.all(Array.from({ length: 30 }, () => api.get('/readyz')))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(asked).toBe(1)
    now += 1_000
    await api.get('/readyz')
    expect(asked).toBe(2)
  } finally {
    await api.close()
  }
})

test('closing lets an order under way be answered, closes its connection and refuses the next', async () => {
  const api = await startTestApi()
  const lock = await api.pool.connect()
  await lock.query('begin; lock table orderwheel.orders in exclusive mode')
  const idle = connect(api.port, '127.0.0.1')
  const idleEnded = text(idle)
  const pipelined = connect(api.port, '127.0.0.1')
  const answers = text(pipelined)
  pipelined.write(postRequest(api.key))
  await eventually(() => someoneWaitsForALock(api))

  const closed = api.app.close()
  await expect.poll(() => fetch(`${api.url}/livez`).catch(() => 'refused')).toBe('refused')
  pipelined.write(postRequest(api.key))
  await lock.query('rollback')
  lock.release()
  await closed

  expect(await idleEnded).toBe('')
  const answer = await answers
  expect(answer).toMatch(/^HTTP\/1.1 202 [^{]*\r\nconnection: close\r\n/i)
  const { rows } = await api.pool.query('select from orderwheel.orders')
  expect(rows).toHaveLength(1)
  await api.close()
})

test('closing does not wait for a client that never finishes its request', async () => {
  const api = await startTestApi({ limits: { closeTimeoutSeconds: 0.2 } })
  const slow = connect(api.port, '127.0.0.1')
  const answer = text(slow).catch(() => 'reset')
  slow.write(postRequest(api.key).slice(0, -10))
  await eventually(() => connections(api.app.server))
  await api.close()
  expect(await answer).not.toMatch('202')
})

function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
}

function postRequest(key: string): string {
  const body = JSON.stringify(newOrder())
  return [
    'POST /orders HTTP/1.1',
    'Host: shop.example',
    `Authorization: Bearer ${key}`,
    `Idempotency-Key: ${randomUUID()}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}
