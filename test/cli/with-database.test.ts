import { afterAll, beforeAll, expect, test } from 'vitest'

import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

const id = '0190a7c2-0000-7000-8000-000000000001'
const messageId = '0190a7c2-0000-7000-8000-000000000002'
const letterId = '0190a7c2-0000-7000-8000-00000000000f'
let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
  await database.pool.query(story)
})
afterAll(() => database.close())

test('an order’s story is told in time order, with what each target answered and no escape sequence of it', async () => {
  const byNumber = await run(['order', 'WEB-1'])
  const byId = await run(['order', id])

  expect(byNumber.code).toBe(0)
  expect(byId.output).toBe(byNumber.output)
  expect(byNumber.output.trimEnd().split('\n')).toEqual([
    `Order WEB-1 (${id}): needs-attention`,
    '',
    '2026-01-01 10:00:00.000Z         order received',
    '2026-01-01 10:00:00.000Z         order.placed',
    '2026-01-01 10:00:01.000Z  erp    attempt 1: try-again after 8.0 s — HTTP 500�[2J',
    '                                 answered 500 out of�[1m order',
    '2026-01-01 10:00:10.000Z  erp    attempt 2: delivered after 0.3 s',
    '                                 answered 201 {"number":7}',
    '2026-01-01 10:00:11.000Z  stock  attempt 1: give-up after 0.1 s — unknown sku',
    '2026-01-01 10:00:12.000Z  stock  dead letter — unknown sku',
    '2026-01-01 10:00:13.000Z  mail   attempt 1: delivered after 0.1 s',
    '                                 answered 250 OK',
    '2026-01-01 10:00:14.000Z  crm    attempt 1: try-again after 0.0 s',
    '                                 answered 503 {"error":"busy"}',
    '2026-01-01 10:00:15.000Z  crm    attempt 2: under way',
    '',
    'email (order.placed) waits for order.placed to stock, which is a dead letter: replay it with orderwheel order WEB-1 --try-again --target stock',
    `stock (order.placed) is a dead letter (${letterId}): mend the cause, then orderwheel order WEB-1 --try-again --target stock (or --mark-delivered, or --skip --reason …)`,
  ])
})

test('for programs the story is JSON, with everything in it', async () => {
  const { output } = await run(['order', 'WEB-1', '--json'])

  const story = JSON.parse(output)
  expect(story).toMatchObject({ id, externalId: 'WEB-1', state: 'needs-attention' })
  expect(story.timeline).toHaveLength(9)
  expect(story.deliveries).toHaveLength(5)
})

test('an order that does not exist is said so', async () => {
  expect(await run(['order', 'WEB-2'])).toEqual({
    code: 1,
    output: 'There is no order with the id or externalId "WEB-2".\n',
  })
})

test('the status shows what is open for each target and how far behind the relay is', async () => {
  await database.pool.query(`
    insert into orderwheel.target_counts (target, period, worker, delivered)
    values ('email', now(), 'w', 1), ('email', now() - interval '2 minutes', 'w', 1)`)
  const { code, output } = await run(['status'])

  expect(code).toBe(0)
  expect(output).toMatch(/^Relay: 1 waiting, oldest \S+ \S+, 1 refused: see orderwheel.outbox$/m)
  expect(output).toMatch(/^email +1 +0 +0 +0 +1 +\d+ days +0 +0 +closed +-$/m)
  expect(output).toMatch(/^stock +0 +0 +0 +0 +0 +- +1 +0 +closed +-$/m)
  const { relay, targets } = JSON.parse((await run(['status', '--json'])).output)
  expect(relay).toMatchObject({ waiting: 1, refused: 1 })
  expect(targets).toContainEqual(expect.objectContaining({ target: 'stock', deadLetters: 1 }))
})

test('an API key is made, listed and revoked from the command line', async () => {
  const made = await run(['keys', 'create', 'web shop', '--scope', 'orders:write,orders:read'])
  expect(made.output).toMatch(/^ow_live_[A-Za-z0-9_-]{43}\n/)

  const listed = await run(['keys', 'list'])
  expect(listed.output).toMatch(/web shop +ow_live_.{4} +orders:write,orders:read +2000 /)

  const revoked = await run(['keys', 'revoke', 'web shop'])
  expect(revoked.output).toContain('(web shop) is revoked')
  const again = await run(['keys', 'revoke', 'web shop'])
  expect(again.code).toBe(1)
})

test('a database that was never migrated is told apart, migrated, and then worked with', async () => {
  const empty = await testDatabase({ template: 'template0' })
  try {
    const too = await run(['status'], empty)
    expect(too).toEqual({
      code: 1,
      output: expect.stringMatching(
        /^This database lacks migration 0001-.*: run "orderwheel migrate" first.\n$/,
      ),
    })
    expect((await run(['migrate', '--status'], empty)).code).toBe(1)

    const runs = await Promise.all([run(['migrate'], empty), run(['migrate'], empty)])
    expect(runs.map(({ code }) => code)).toEqual([0, 0])

    expect((await run(['migrate', '--status'], empty)).code).toBe(0)
    expect((await run(['status'], empty)).code).toBe(0)
  } finally {
    await empty.close()
  }
})

async function run(
  args: string[],
  { connection } = database,
): Promise<{ code: number | string | null; output: string }> {
  const process = startOrderwheel(args, { DATABASE_URL: connectionString(connection) })
  return { code: await process.ended, output: process.output() }
}

const story = `
  insert into orderwheel.targets (name, kind, concurrency)
  values ('erp', 'http', 1), ('stock', 'http', 1), ('email', 'email', 1);
  insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
  values ('${id}', 'WEB-1', uuidv7(), 'a', sha256('a'), '{}', '2026-01-01T10:00:00Z');
  insert into orderwheel.messages (id, position, order_id, kind, payload, created_at)
  values ('${messageId}', 1, '${id}', 'order.placed', '{}', '2026-01-01T10:00:00Z');
  insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, attempts, created_at, settled_at)
  values ('${messageId}', 'erp', 1, '${id}', 'delivered', '{}', 2, '2026-01-01T10:00:00Z', now()),
         ('${messageId}', 'stock', 1, '${id}', 'dead', '{}', 1, '2026-01-01T10:00:00Z', now()),
         ('${messageId}', 'mail', 1, '${id}', 'delivered', '{}', 1, '2026-01-01T10:00:00Z', now()),
         ('${messageId}', 'email', 1, '${id}', 'waiting', '{stock}', 0, '2026-01-01T10:00:00Z', null);
  insert into orderwheel.deliveries (message_id, target, position, order_id, state, after, attempts, created_at, started_at)
  values ('${messageId}', 'crm', 1, '${id}', 'active', '{}', 1, '2026-01-01T10:00:00Z', '2026-01-01T10:00:15Z');
  insert into orderwheel.delivery_attempts
         (message_id, target, number, started_at, duration_ms, outcome, reason, answer, worker)
  values ('${messageId}', 'erp', 1, '2026-01-01T10:00:01Z', 8000, 'try-again', E'HTTP 500\\u001b[2J', '{"status":500,"text":"out of\\u001b[1m order"}', 'w'),
         ('${messageId}', 'erp', 2, '2026-01-01T10:00:10Z', 300, 'delivered', null, '{"status":201,"text":"{\\"number\\":7}"}', 'w'),
         ('${messageId}', 'stock', 1, '2026-01-01T10:00:11Z', 100, 'give-up', 'unknown sku', null, 'w'),
         ('${messageId}', 'mail', 1, '2026-01-01T10:00:13Z', 100, 'delivered', null, '{"status":250,"text":"250 OK"}', 'w'),
         ('${messageId}', 'crm', 1, '2026-01-01T10:00:14Z', 4, 'try-again', 'answered 503', '{"status":503,"text":"{\\"error\\":\\"busy\\"}"}', 'w');
  insert into orderwheel.dead_letters (id, message_id, target, order_id, reason, attempts, died_at)
  values ('${letterId}', '${messageId}', 'stock', '${id}', 'unknown sku', '[]', '2026-01-01T10:00:12Z');
  insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
  values ('OTHER', uuidv7(), 'b', sha256('b'), '{}');
  insert into orderwheel.outbox (order_id, kind, refusals, refusal, try_after)
  select id, 'order.unheard-of', 1, 'unknown kind', now() from orderwheel.orders where external_id = 'OTHER'`
