import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { forgetPerson } from '#forget/forget-person.ts'
import { exampleOrder } from '#messages/example-order.ts'
import type { Order } from '#messages/order.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

// What a buyer may call themselves, by what the database says of everybody else's orders.
const hostile = [
  'order.placed',
  'erp',
  'ERP',
  'queued',
  'job-missing',
  'paused',
  '%',
  '_',
  '.*',
  '(\\w+)',
  '\\',
  '***:.*',
  '"target": "erp"',
  '","target":"erp',
  '{"target": "erp"}',
  'target',
  'key',
]

test('whatever a forgotten buyer was called, the records of others stay as they are', async () => {
  const other = await writeOthersRecords()
  const before = await readRecords()
  for (const name of hostile) await placeOrder({ name, phone: '+12' })
  // Who lives where somebody else's keys lead.
  await placeOrder({ name: other, phone: '+12' })

  const done = await forgetPerson(database.db, {
    person: { email: 'b@example.com', customerId: 'erp' },
    who: 'eva',
    reason: null,
    evenOpen: false,
    dryRun: false,
  })

  expect(done).toMatchObject({ orders: hostile.length + 1, refusedCount: 0, masked: 0 })
  expect(await readRecords()).toEqual(before)
})

async function placeOrder({ name, phone }: { name: string; phone: string }): Promise<void> {
  const order = exampleOrder(`WEB-${randomUUID().slice(0, 18)}`)
  const address = { ...order.billingAddress, name, company: name, line1: name, city: name }
  const document: Order = {
    ...order,
    customer: { id: name, email: 'b@example.com', name, phone },
    billingAddress: address,
    note: name,
    metadata: { [name]: name },
  }
  await database.db
    .insertInto('orderwheel.orders')
    .values({
      external_id: order.externalId,
      api_key_id: randomUUID(),
      idempotency_key: order.externalId,
      fingerprint: Buffer.alloc(32),
      document: JSON.stringify(document),
    })
    .execute()
}

/** Answers the id that they are about. */
async function writeOthersRecords(): Promise<string> {
  const id = randomUUID()
  const finding = { kind: 'job-missing', orderId: id, messageId: id, target: 'erp', order: 'WEB-1' }
  const details = { target: 'erp', messageId: id, before: 'dead', after: 'queued', released: [] }
  const answer = { id, state: 'paused', filter: { target: 'erp', error: 'erp 422' }, key: 'queued' }
  await database.pool.query(
    `insert into orderwheel.audit_log (who, action, subject, reason, details)
     values ('eva', 'delivery.tried-again', $1, 'erp: order.placed was queued +12, says bob.b@example.com', $2)`,
    [id, details],
  )
  await database.pool.query(
    `insert into orderwheel.verifications (is_full, requested_by, started_at, findings) values (true, 'eva', now(), $1)`,
    [JSON.stringify([finding])],
  )
  await database.pool.query(
    `insert into orderwheel.idempotency_keys (api_key_id, idempotency_key, route, fingerprint, status, answer)
     select uuidv7(), key, 'POST /ops/replays', sha256(''), 202, $1
       from unnest(array['order.placed-erp', 'key', '%', 'bob.b@example.com', 'b@example.com.au', '+12', $2]) key`,
    [answer, id],
  )
  await database.pool.query(
    `insert into orderwheel.alerts (kind, subject, text) values ('job-missing', 'erp', 'order.placed is queued for erp: 100 %')`,
  )
  await database.pool.query(
    `insert into orderwheel.target_changes (target, change, reason, who) values ('erp', 'paused', 'erp is paused', 'eva')`,
  )
  return id
}

async function readRecords(): Promise<unknown> {
  const tables = ['audit_log', 'verifications', 'idempotency_keys', 'alerts', 'target_changes']
  const read = await Promise.all(
    tables.map((table) =>
      database.pool.query(
        `select * from orderwheel.${table} t
          where to_jsonb(t) ->> 'action' is distinct from 'person.forgetting'
            and to_jsonb(t) ->> 'action' is distinct from 'person.forgotten' order by t::text`,
      ),
    ),
  )
  return read.map(({ rows }) => rows as unknown)
}
