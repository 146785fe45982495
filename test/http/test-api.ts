import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'

import type { FastifyInstance } from 'fastify'

import { createLog } from '#base/log.ts'
import { buildApp, type AppOptions } from '#http/build-app.ts'
import { createKey, type NewKey } from '#keys/create-key.ts'
import { exampleOrder } from '#messages/example-order.ts'
import type { Order } from '#messages/order.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'

export type TestApi = TestDatabase & {
  app: FastifyInstance
  url: string
  port: number
  /** A key with both order scopes. */
  key: string
  /** What was logged, as parsed lines. */
  logged: Record<string, unknown>[]
  newKey(options?: Partial<NewKey>): Promise<string>
  post(order: unknown, options?: PostOptions): Promise<Answer>
  get(path: string, headers?: Record<string, string>): Promise<Answer>
}

export type PostOptions = {
  idempotencyKey?: string | undefined
  key?: string
  headers?: Record<string, string>
}

export type Answer = { status: number; headers: Headers; body: unknown; text: string }

/** The API on a port of its own, with a database of its own. */
export async function startTestApi(options: Partial<AppOptions> = {}): Promise<TestApi> {
  const database = await testDatabase()
  const logged: Record<string, unknown>[] = []
  const app = await buildApp({
    ...database,
    log: recordingLog(logged),
    outboxChanged: () => {},
    diagnose: async () => ({
      examinedAt: new Date().toISOString(),
      findings: [],
      well: [],
      unseen: [],
    }),
    production: false,
    ...options,
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  let keysMade = 0
  const newKey = async (more: Partial<NewKey> = {}) => {
    const scopes = ['orders:write', 'orders:read'] as const
    keysMade += 1
    const name = `key ${keysMade}`
    return (await createKey(database.db, { name, scopes, who: 'test', ...more })).key
  }
  const key = await newKey({ ratePerSecond: 1_000_000 })
  return {
    ...database,
    app,
    url,
    port: Number(new URL(url).port),
    key,
    logged,
    newKey,
    post: (order, more = {}) => postOrder(url, order, { key, ...more }),
    get: (path, headers) =>
      send(`${url}${path}`, { headers: { authorization: `Bearer ${key}`, ...headers } }),
    async close() {
      await app.close()
      await database.close()
    },
  }
}

/** The example order with an external id of its own and whatever the test changes. */
export function newOrder(changes: Partial<Order> = {}): Order {
  return { ...exampleOrder(`WEB-${randomUUID().slice(0, 13)}`), ...changes }
}

export async function send(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text ? JSON.parse(text) : undefined,
    text,
  }
}

/** Asked outside the transaction that holds the lock: inside one, the view does not change. */
export async function someoneWaitsForALock({ pool }: Pick<TestApi, 'pool'>): Promise<boolean> {
  const { rows } = await pool.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length > 0
}

function postOrder(url: string, order: unknown, options: PostOptions): Promise<Answer> {
  const { idempotencyKey = randomUUID(), key, headers } = options
  return send(`${url}/orders`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'idempotency-key': idempotencyKey,
      ...headers,
    },
    body: typeof order === 'string' ? order : JSON.stringify(order),
  })
}

function recordingLog(logged: Record<string, unknown>[]) {
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      logged.push(JSON.parse(String(line)))
      done()
    },
  })
  return createLog('test', 'debug', stream)
}
