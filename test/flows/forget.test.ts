import { randomUUID } from 'node:crypto'

import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { buildApp } from '#http/build-app.ts'
import { createKey } from '#keys/create-key.ts'
import { exampleOrder } from '#messages/example-order.ts'
import type { Order } from '#messages/order.ts'
import type { Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

const email = 'Grace.Hopper@Navy.example'
const traces = [/grace\.hopper/i, /hopper/i, /4915155501/, /museumsinsel/i, /cobol gmbh/i]

let shop: TestShop
let app: FastifyInstance
let key: string
afterEach(async () => {
  await app.close()
  await shop.close()
})

beforeEach(() => openShop({}))

test('after forgetting, nothing in the whole database says who it was, and the order still does its work', async () => {
  const idempotencyKey = randomUUID()
  const placed = await place(gracesOrder('WEB-1'), { idempotencyKey })
  const other = await place({
    ...exampleOrder('WEB-2'),
    customer: { email: 'bob@example.com', name: 'Bob' },
  })
  await tellAll(2)
  await gossip(placed)
  expect((await findTraces()).length).toBeGreaterThan(12)
  const before = await read(placed)

  const forgotten = await forget(['--reason', `asked for by ${email}`])

  expect(forgotten).toMatchObject({ code: 0, done: { orders: 1, refused: [] } })
  expect(await findTraces()).toEqual([])
  const after = await read(placed)
  expect(after).toMatchObject({ id: before.id, externalId: 'WEB-1', state: before.state })
  expect(after.order.totals).toEqual(before.order.totals)
  expect(after.order.payment).toEqual(before.order.payment)
  expect(after.order.billingAddress.country).toBe('DE')
  expect(after.order.items[0]).not.toHaveProperty('attributes')
  // What is left is an order still.
  await place({ ...after.order, externalId: 'WEB-3' }, { idempotencyKey: 'again' })
  expect((await read(other)).order.customer.name).toBe('Bob')
  // The storefront repeats its request: no new order.
  expect(await place(gracesOrder('WEB-1'), { idempotencyKey })).toBe(placed)
  const told = await run(['order', 'WEB-1'])
  expect(told.code).toBe(0)
  expect(told.output).toMatch(/^Order WEB-1 \(\S+\): \S+, personal data forgotten 20\d\d-/)
  // What is left of a reason is not taken for what is left of the name.
  expect(told.output).toMatch(/attempt 1: delivered after .* — forgotten$/m)
  expect(told.output).not.toMatch(/— #$/m)
  expect(await run(['verify', '--full'])).toMatchObject({ code: 0 })
})

test('it is written down that somebody was forgotten, by whom and why, but not who', async () => {
  await place(gracesOrder('WEB-1'))
  await tellAll(1)

  await forget(['--reason', `${email} wrote to us`])

  const { rows } = await shop.pool.query(
    `select reason, even_open, orders, refused, salt, person, finished_at is not null as finished from orderwheel.forgettings`,
  )
  expect(rows).toEqual([
    {
      reason: '# wrote to us',
      even_open: false,
      orders: 1,
      refused: 0,
      salt: null,
      person: null,
      finished: true,
    },
  ])
  const log = await shop.pool.query(
    `select action, reason, who <> '' as who from orderwheel.audit_log where action like 'person.%' order by id`,
  )
  expect(log.rows).toEqual([
    { action: 'person.forgetting', reason: '# wrote to us', who: true },
    { action: 'person.forgotten', reason: '# wrote to us', who: true },
  ])
})

test('an order that a target has yet to be told of is left alone and listed, until that is done', async () => {
  const first = await place(gracesOrder('WEB-1'))
  await tellAll(1)
  const second = await place(gracesOrder('WEB-2'))
  await shop.relay()

  const refused = await forget([])

  expect(refused.code).toBe(1)
  expect(refused.done).toMatchObject({
    orders: 1,
    refusedCount: 1,
    refused: [
      {
        externalId: 'WEB-2',
        orderId: second,
        open: ['erp is queued', 'mail is waiting'],
        kept: [],
      },
    ],
  })
  expect((await read(first)).order.customer.name).toBe('forgotten')
  expect((await read(second)).order.customer.name).toBe('Grace Hopper')

  await tellAll(2)
  expect(await forget([])).toMatchObject({ code: 0, done: { orders: 1 } })
  expect(await findTraces()).toEqual([])
})

test('with --even-open what is still to be told is given up on, even while it is being told', async () => {
  await app.close()
  await shop.close()
  const calls: PromiseWithResolvers<void>[] = []
  await openShop({
    async call({ order }) {
      const call = Promise.withResolvers<void>()
      calls.push(call)
      await call.promise
      return { kind: 'give-up', reason: `no such customer: ${order.customer.name}` }
    },
  })
  const placed = await place(gracesOrder('WEB-1'))
  await shop.relay()
  const worker = shop.startWorker()
  await eventually(() => calls.length === 1)

  const forgotten = await forget(['--even-open'])

  expect(forgotten).toMatchObject({ code: 0, done: { orders: 1, refused: [] } })
  for (const call of calls) call.resolve()
  await worker.stop()
  expect(await shop.deliveries(placed)).toEqual({ erp: 'skipped', mail: 'skipped' })
  expect(await findTraces()).toEqual([])
  const { rows } = await shop.pool.query(`select from pgboss.job where name in ('erp', 'mail')`)
  expect(rows).toEqual([])
  expect(await run(['verify', '--full'])).toMatchObject({ code: 0 })
})

test('a dead letter is not forgotten before somebody decides on it, and a held one never', async () => {
  await app.close()
  await shop.close()
  await openShop({ call: async () => ({ kind: 'give-up', reason: 'Hopper is locked' }) })
  await place(gracesOrder('WEB-1'))
  await shop.relay()
  const worker = shop.startWorker()
  await eventually(
    async () => (await shop.pool.query('select from orderwheel.dead_letters')).rowCount,
  )
  await worker.stop()
  expect((await forget([])).done.refused[0]?.open).toEqual(['erp is dead', 'mail is waiting'])

  await shop.pool.query(
    `update orderwheel.dead_letters set held_at = now(), held_by = 'eva', hold_reason = 'lawsuit'`,
  )
  const held = await forget(['--even-open'])
  expect(held.code).toBe(1)
  const [letter] = (await shop.pool.query<{ id: string }>('select id from orderwheel.dead_letters'))
    .rows
  expect(held.done.refused).toMatchObject([
    {
      kept: [
        `its dead letter of erp is held by eva: lawsuit (orderwheel dead-letters release ${letter?.id} --reason …)`,
      ],
      open: ['mail is waiting'],
    },
  ])

  await shop.pool.query(
    `update orderwheel.dead_letters set held_at = null, held_by = null, hold_reason = null`,
  )
  expect(await forget(['--even-open'])).toMatchObject({ code: 0 })
  expect(await findTraces()).toEqual([])
  const { rows } = await shop.pool.query(
    'select resolution, status, reason from orderwheel.dead_letters',
  )
  expect(rows).toEqual([{ resolution: 'discarded', status: null, reason: 'forgotten' }])
})

test('a dry run says what would be done and does nothing', async () => {
  await place(gracesOrder('WEB-1'))
  await tellAll(1)
  await place(gracesOrder('WEB-2'))

  const dry = await forget(['--dry-run'])

  expect(dry).toMatchObject({ code: 1, done: { id: null, dryRun: true, orders: 1, masked: 0 } })
  expect(dry.done.refused[0]?.kept).toEqual(['order.placed is not relayed yet'])
  const { rows } = await shop.pool.query(`select from orderwheel.forgettings`)
  expect(rows).toEqual([])
})

test('who was killed half-way goes on with the same record', async () => {
  for (const id of ['WEB-1', 'WEB-2', 'WEB-3']) await place(gracesOrder(id))
  await tellAll(3)
  await shop.pool.query(`
    create function orderwheel.crash() returns trigger language plpgsql as $$
    begin raise exception 'killed'; end $$;
    create trigger crash before update on orderwheel.orders for each row
      when (new.external_id = 'WEB-2') execute function orderwheel.crash()`)

  expect((await run(forgetArguments([]))).code).not.toBe(0)

  const { rows } = await shop.pool.query<{ id: string; orders: number }>(
    'select id, orders from orderwheel.forgettings where finished_at is null',
  )
  expect(rows).toMatchObject([{ orders: 1 }])
  await shop.pool.query('drop trigger crash on orderwheel.orders')
  const finished = await forget([])
  expect(finished.done).toMatchObject({ id: rows[0]?.id, orders: 3 })
  expect(await findTraces()).toEqual([])
})

test('two who forget the same person at once get done, and it is written down', async () => {
  for (const id of ['WEB-1', 'WEB-2', 'WEB-3', 'WEB-4']) await place(gracesOrder(id))
  await tellAll(4)

  const both = await Promise.all([forget([]), forget([])])

  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(await findTraces()).toEqual([])
  const { rows } = await shop.pool.query(
    'select sum(orders)::int as orders, bool_and(finished_at is not null) as finished from orderwheel.forgettings',
  )
  expect(rows).toEqual([{ orders: 4, finished: true }])
})

test('a customer id finds orders that were placed with another address', async () => {
  const order = gracesOrder('WEB-1')
  await place({ ...order, customer: { ...order.customer, email: 'g.hopper@yale.example' } })
  await tellAll(1)

  expect((await forget([])).done.orders).toBe(0)
  expect((await forget(['--customer-id', 'C-1906'])).done.orders).toBe(1)
  expect(await findTraces()).toEqual([])
})

test('the API forgets as the command does, for keys that may', async () => {
  const placed = await place(gracesOrder('WEB-1'))
  await tellAll(1)
  const post = (payload: object, bearer = key) =>
    app.inject({
      method: 'POST',
      url: '/ops/forget',
      headers: { authorization: `Bearer ${bearer}` },
      payload,
    })
  const { key: reading } = await createKey(shop.db, {
    name: 'reader',
    scopes: ['ops:read'],
    who: 'test',
  })

  expect((await post({ email }, reading)).statusCode).toBe(403)
  expect((await post({ email: 'nobody' })).statusCode).toBe(422)
  const answer = await post({ email, reason: 'asked' })

  expect(answer.statusCode).toBe(200)
  expect(answer.json()).toMatchObject({ orders: 1, refused: [], refusedCount: 0, dryRun: false })
  expect((await read(placed)).order.customer.email).toBe('forgotten@example.invalid')
  const { rows } = await shop.pool.query('select requested_by, reason from orderwheel.forgettings')
  expect(rows).toEqual([{ requested_by: 'front', reason: 'asked' }])
})

async function openShop(erp: Partial<Target>) {
  shop = await openTestShop([testTarget('erp', erp), testTarget('mail', { after: ['erp'] })])
  app = await buildApp({
    ...shop,
    log: createLog('test', 'silent'),
    outboxChanged: () => {},
    production: false,
  })
  key = (
    await createKey(shop.db, {
      name: 'front',
      scopes: ['orders:write', 'orders:read', 'ops:write'],
      who: 'test',
    })
  ).key
}

function gracesOrder(externalId: string): Order {
  const name = 'Grace Hopper'
  const address = {
    name,
    company: 'COBOL GmbH',
    line1: 'Museumsinsel 7',
    line2: 'c/o Hopper',
    city: 'Berlin',
    postalCode: '10178',
    country: 'DE',
  }
  const order = exampleOrder(externalId)
  return {
    ...order,
    customer: { id: 'C-1906', email, name, phone: '+4915155501' },
    billingAddress: address,
    shippingAddress: address,
    items: order.items.map((item) => ({ ...item, attributes: { engraving: 'For Grace Hopper' } })),
    note: 'Ring at Hopper, +4915155501',
    metadata: { cart: email },
  }
}

async function place(order: Order, { idempotencyKey }: { idempotencyKey?: string } = {}) {
  const answer = await app.inject({
    method: 'POST',
    url: '/orders',
    headers: {
      authorization: `Bearer ${key}`,
      'idempotency-key': idempotencyKey ?? `${order.customer.email}-${order.externalId}`,
    },
    payload: order,
  })
  expect(answer.statusCode).toBe(202)
  return answer.json<{ id: string }>().id
}

async function tellAll(orders: number) {
  await shop.relay()
  const worker = shop.startWorker()
  await eventually(async () => {
    const { rows } = await shop.pool.query<{ count: number }>(
      `select count(*)::int as count from orderwheel.deliveries where state = 'delivered'`,
    )
    return rows[0]?.count === 2 * orders
  })
  await worker.stop()
}

/** What people and targets write everywhere else. */
async function gossip(orderId: string) {
  const said =
    'GRACE HOPPER <grace.hopper@navy.example>, +4915155501, of Museumsinsel 7, COBOL GmbH'
  const json = JSON.stringify({ deep: [{ who: said }], 'grace.note': 1 })
  await shop.pool.query(`
    update orderwheel.messages set payload = '${json}' where order_id = '${orderId}';
    update orderwheel.deliveries set edited = '${json}' where order_id = '${orderId}';
    update orderwheel.delivery_attempts set reason = '${said}', answer = '{"status": 200, "text": "${said}", "headers": {"x": "Hopper"}, "code": "HOPPER"}'
     where message_id in (select message_id from orderwheel.deliveries where order_id = '${orderId}');
    insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts, resolution, resolved_at, comment)
    select message_id, target, order_id, '${said}', '[{"number": 1, "reason": "Hopper", "answer": {"status": 422, "code": "HOPPER", "text": "${said}"}}]',
           'discarded', now(), 'Hopper called'
      from orderwheel.deliveries where order_id = '${orderId}';
    insert into orderwheel.audit_log (who, action, subject, reason, details)
    values ('eva', 'delivery.skipped', '${orderId}', 'Hopper called', '{"target": "erp", "after": {"customer": "Rear Admiral Hopper"}}'),
           ('eva', 'target.paused', 'erp', '${said}', '${json}');
    insert into orderwheel.audit_log (who, action, subject, details)
    select 'eva', 'delivery.edited', id, '${json}' from orderwheel.dead_letters;
    insert into orderwheel.target_changes (target, change, reason, who) values ('erp', 'paused', '${said}', 'eva');
    update orderwheel.targets set circuit_reason = '${said}', paused_at = now(), paused_until = now(), paused_by = 'eva', pause_reason = '${said}';
    insert into orderwheel.replays (filter, requested_by, reason) values ('{"error": "${said}"}', 'eva', '${said}');
    insert into orderwheel.replay_items (replay_id, position, letter_id, state, result, worked_off_at)
    select id, 1, uuidv7(), 'refused', '${said}', now() from orderwheel.replays;
    insert into orderwheel.idempotency_keys (api_key_id, idempotency_key, route, fingerprint, status, answer)
    values (uuidv7(), '${email}', 'POST /x', sha256(''), 200, '${json}');
    insert into orderwheel.alerts (kind, text) values ('x', '${said}')`)
}

/** Every table of both schemas, as text. */
async function findTraces(): Promise<string[]> {
  const { rows } = await shop.pool.query<{ name: string }>(`
    select format('%I.%I', n.nspname, c.relname) as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('orderwheel', 'pgboss') and c.relkind = 'r'`)
  expect(rows.length).toBeGreaterThan(20)
  const found = await Promise.all(
    rows.map(async ({ name }) => {
      const dump = await shop.pool.query<{ row: string }>(`select t::text as row from ${name} t`)
      return dump.rows
        .filter(({ row }) => traces.some((trace) => trace.test(row)))
        .map(({ row }) => `${name}: ${row}`)
    }),
  )
  return found.flat()
}

async function read(orderId: string) {
  const answer = await app.inject({
    url: `/orders/${orderId}`,
    headers: { authorization: `Bearer ${key}` },
  })
  expect(answer.statusCode).toBe(200)
  return answer.json<{ id: string; externalId: string; state: string; order: Order }>()
}

function forgetArguments(more: readonly string[]): string[] {
  return ['forget', '--email', email.toLowerCase(), '--json', ...more]
}

async function forget(more: readonly string[]) {
  const { code, output } = await run(forgetArguments(more))
  const done = JSON.parse(output) as {
    id: string | null
    orders: number
    refused: { open: string[]; kept: string[] }[]
  }
  return { code, done }
}

async function run(command: readonly string[]) {
  const { ended, output } = startOrderwheel([...command], {
    DATABASE_URL: connectionString(shop.connection),
  })
  return { code: await ended, output: output() }
}
