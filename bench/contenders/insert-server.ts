import { randomUUID } from 'node:crypto'

import fastify from 'fastify'
import pg from 'pg'

import type { Order } from '#messages/order.ts'

import { given, report, untilStopped } from '../support/contender.ts'

// A bare Fastify that writes an order and its outbox row, a statement per request: no key, no validation, no
// fingerprint. What somebody builds who wants nothing but the insert.
const pool = new pg.Pool({
  connectionString: given('DATABASE_URL'),
  max: Number(given('POOL_SIZE')),
})
const apiKeyId = randomUUID()
const fingerprint = Buffer.alloc(32)

const statement = {
  name: 'insert-order',
  text: `
    with placed as (
      insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
      values ($1, $2, $3, $4, $5) returning id
    ), told as (
      insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed
    )
    select id from placed`,
}

const app = fastify()
app.post<{ Body: Order }>('/orders', async (request, reply) => {
  const key = request.headers['idempotency-key']
  const order = request.body
  const values = [order.externalId, apiKeyId, key, fingerprint, JSON.stringify(order)]
  const { rows } = await pool.query<{ id: string }>({ ...statement, values })
  void reply.code(202)
  return { id: rows[0]?.id, externalId: order.externalId }
})

await report({ url: await app.listen({ host: '127.0.0.1', port: 0 }) })
await untilStopped()
await app.close()
await pool.end()
