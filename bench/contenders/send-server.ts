import { randomUUID } from 'node:crypto'

import fastify from 'fastify'
import pg from 'pg'
import { PgBoss } from 'pg-boss'

import type { Order } from '#messages/order.ts'

import { given, report, untilStopped } from '../support/contender.ts'

// A bare Fastify that writes the order and sends a job for each of four targets in the order's transaction.
const pool = new pg.Pool({
  connectionString: given('DATABASE_URL'),
  max: Number(given('POOL_SIZE')),
})
const boss = new PgBoss({
  db: { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) },
  migrate: false,
  supervise: false,
  schedule: false,
})
boss.on('error', console.error)
await boss.start()
const queues = ['erp', 'email', 'webhook', 'analytics']
for (const queue of queues) await boss.createQueue(queue)

const apiKeyId = randomUUID()
const fingerprint = Buffer.alloc(32)
const insert = {
  name: 'insert-order',
  text: `insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
         values ($1, $2, $3, $4, $5) returning id`,
}

const app = fastify()
app.post<{ Body: Order }>('/orders', async (request, reply) => {
  const id = await placeOrder(request.body, String(request.headers['idempotency-key']))
  void reply.code(202)
  return { id, externalId: request.body.externalId }
})

async function placeOrder(order: Order, key: string): Promise<string | undefined> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const values = [order.externalId, apiKeyId, key, fingerprint, JSON.stringify(order)]
    const { rows } = await client.query<{ id: string }>({ ...insert, values })
    const orderId = rows[0]?.id
    const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) }
    for (const queue of queues) await boss.send(queue, { orderId }, { db })
    await client.query('commit')
    return orderId
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

await report({ url: await app.listen({ host: '127.0.0.1', port: 0 }) })
await untilStopped()
await app.close()
await boss.stop({ graceful: false })
await pool.end()
