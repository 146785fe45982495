import { execFile, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { createOwnKind } from '#messages/own-kinds.ts'

import demoStore from '../../orderwheel.config.ts'
import { connectionString } from '../support/start-process.ts'
import { onServer } from '../support/test-database.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

const examples = fileURLToPath(new URL('../../examples/outbox/', import.meta.url))
const page = fileURLToPath(new URL('../../docs/messages.md', import.meta.url))

// The application, with the rights that the page says are enough.
const role = `shop_${randomUUID().slice(0, 8)}`
const password = randomUUID()

let shop: TestShop
let told: unknown[] = []
let connection: TestShop['connection']

beforeAll(async () => {
  const erp = testTarget('erp', {
    async call({ message }) {
      told.push(message.payload)
      return { kind: 'delivered' }
    },
  })
  shop = await openTestShop([erp], { 'stock.changed': ['erp'] })
  // As the demo store declares it.
  const schema = demoStore.messages?.['stock.changed'].schema ?? { not: {} }
  shop.relayOptions.kinds = new Map([['stock.changed', createOwnKind(schema)]])
  connection = { ...shop.connection, user: role, password }
  const [, grants = ''] =
    /<!-- grants -->\s*```sql\n(.*?)```/s.exec(await readFile(page, 'utf8')) ?? []
  await shop.pool.query(`
    create role ${role} login password '${password}';
    create schema shop;
    create table shop.stock (sku text primary key, quantity integer not null check (quantity >= 0));
    grant usage on schema shop to ${role};
    grant select, update on shop.stock to ${role};
    ${grants.replaceAll('shop_app', role)}`)
})
afterAll(async () => {
  await shop.pool.query(`drop owned by ${role}`)
  await shop.close()
  await onServer((client) => client.query(`drop role ${role}`))
})
beforeEach(async () => {
  told = []
  await shop.pool.query(`
    delete from shop.stock; insert into shop.stock values ('IPOD-GREEN', 3); delete from orderwheel.outbox`)
})

const run = promisify(execFile)
const php = 'php'

const languages = [
  { name: 'plain SQL', file: 'outbox.sql', isThere: true, run: runSql },
  { name: 'TypeScript', file: 'outbox.ts', isThere: true, run: runTypeScript },
  { name: 'PHP', file: 'outbox.php', isThere: hasPhp(), run: runPhp },
]

describe.for(languages)('the example in $name', ({ name, file, isThere, run }) => {
  if (!isThere) console.warn(`There is no php with pdo_pgsql: the example in ${name} is not run.`)

  test.skipIf(!isThere)('changes the stock, and the target is told of it', async () => {
    await run(examples + file)
    expect(await stock()).toBe(1)
    await shop.relay()
    await shop.startWorker().drained(AbortSignal.timeout(20_000))
    const change = { sku: 'IPOD-GREEN', warehouse: 'eu', quantity: 1, reason: 'sold' }
    expect(told).toEqual([change])
  })

  test.skipIf(!isThere)(
    'changes nothing and tells nobody when the shop’s own change fails',
    async () => {
      await shop.pool.query(`update shop.stock set quantity = 1`)
      await expect(run(examples + file)).rejects.toThrow(/stock_quantity_check/)
      expect(await stock()).toBe(1)
      const { rows } = await shop.pool.query('select from orderwheel.outbox')
      expect(rows).toEqual([])
    },
  )
})

test('an application with these rights may add messages, and neither read nor change what is there', async () => {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    const refused = [
      'select payload from orderwheel.outbox',
      'delete from orderwheel.outbox',
      `update orderwheel.outbox set kind = 'x'`,
      `insert into orderwheel.outbox (kind, refusals, refusal, try_after) values ('x', 1, 'x', now())`,
      'select * from orderwheel.orders',
      'select * from orderwheel.api_keys',
    ]
    for (const statement of refused)
      await expect(client.query(statement), statement).rejects.toThrow(/permission denied/)
    const about = 'insert into orderwheel.outbox (order_id, kind) values ($1, $2)'
    const { orderId } = await shop.placeOrder()
    await client.query(about, [orderId, 'stock.changed'])
    await expect(client.query(about, [randomUUID(), 'stock.changed'])).rejects.toThrow(
      /foreign key/,
    )
    await expect(client.query(about, [null, 'order.cancelled'])).rejects.toThrow(/order_kinds/)
    await expect(
      client.query(
        `insert into orderwheel.outbox (id, kind) values (gen_random_uuid(), 'stock.changed')`,
      ),
    ).rejects.toThrow(/uuidv7/)
  } finally {
    await client.end()
  }
})

async function stock(): Promise<number> {
  const { rows } = await shop.pool.query<{ quantity: number }>('select quantity from shop.stock')
  return rows[0]?.quantity ?? -1
}

async function runSql(file: string): Promise<void> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    await client.query(await readFile(file, 'utf8'))
  } finally {
    await client.end()
  }
}

async function runTypeScript(file: string): Promise<void> {
  await run(process.execPath, [file], { env: { DATABASE_URL: connectionString(connection) } })
}

async function runPhp(file: string): Promise<void> {
  const { host, port, database } = connection
  await run(php, [file], {
    env: {
      DATABASE_DSN: `pgsql:host=${host};port=${port};dbname=${database}`,
      DATABASE_USER: role,
      DATABASE_PASSWORD: password,
    },
  })
}

function hasPhp(): boolean {
  const found = spawnSync(php, ['-r', "exit(extension_loaded('pdo_pgsql') ? 0 : 1);"])
  return found.status === 0
}
