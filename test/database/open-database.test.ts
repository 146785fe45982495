import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'

import { openDatabase, type Database, type DatabaseOptions } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let shop: TestDatabase
let closing: Database[]

beforeEach(async () => {
  shop = await testDatabase()
  closing = []
})
afterEach(async () => {
  await Promise.all(closing.map((database) => database.close()))
  await shop.close()
})

test('a process frozen inside a transaction loses its session, and another one takes what it had locked', async () => {
  const id = await addMessage()
  const lost: unknown[] = []
  const frozen = open({
    idleInTransactionTimeoutMs: 200,
    onConnectionLost: (error) => lost.push(error),
  })
  const take = sql<{ id: string }>`select id from orderwheel.outbox where id = ${id} for update`

  const relaying = frozen.db.transaction().execute(async (tx) => {
    await take.execute(tx)
    const taken = await shop.db.transaction().execute((other) => take.execute(other))
    expect(taken.rows).toEqual([{ id }])
    await sql`delete from orderwheel.outbox where id = ${id}`.execute(tx)
  })

  const failure: unknown = await relaying.catch((error: unknown) => error)
  expect(isTransient(failure)).toBe(true)
  expect(lost.map(isTransient)).toEqual(lost.map(() => true))
  expect(lost).toContainEqual(expect.objectContaining({ code: '25P03' }))
  expect((await sql<{ n: number }>`select 1 as n`.execute(frozen.db)).rows).toEqual([{ n: 1 }])
})

test('statements, waits for locks and idle transactions have their limits', async () => {
  expect(await limitsOf(open({}))).toEqual(['30s', '15s', '0'])
  expect(await limitsOf(open({ lockTimeoutMs: 1_000 }))).toEqual(['30s', '15s', '1s'])
})

test('an installation may take as long as it takes, even where the role has a limit', async () => {
  const { connection } = shop
  await sql`alter role ${sql.id(connection.user)} in database ${sql.id(connection.database)}
    set statement_timeout = '1min'`.execute(shop.db)

  expect(await limitsOf(open({ statementTimeoutMs: 0 }))).toEqual(['0', '15s', '0'])
})

test('a statement behind a lock is refused when the time for it is over', async () => {
  const impatient = open({ lockTimeoutMs: 50 })
  await shop.db.transaction().execute(async (tx) => {
    await sql`lock table orderwheel.outbox`.execute(tx)

    await expect(sql`select from orderwheel.outbox`.execute(impatient.db)).rejects.toMatchObject({
      code: '55P03',
    })
  })
})

test('a server that is gone without a word costs one statement, not every later one', async () => {
  const { host, port } = shop.connection
  const network = await startNetwork(host, port)
  const database = open({
    connection: { ...shop.connection, host: '127.0.0.1', port: network.port },
    statementTimeoutMs: 300,
    maxConnections: 1,
  })
  await sql`select 1`.execute(database.db)

  network.swallow()
  await expect(sql`select 2`.execute(database.db)).rejects.toThrow('Query read timeout')

  await expect(sql`select 3 as n`.execute(database.db)).resolves.toMatchObject({ rows: [{ n: 3 }] })
})

async function addMessage(): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    with placed as (
      insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
      values ('WEB-1', uuidv7(), 'a', sha256('a'), '{}') returning id
    )
    insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed
    returning id`.execute(shop.db)
  return rows[0]?.id ?? ''
}

function open(options: Partial<DatabaseOptions>): Database {
  const database = openDatabase({
    connection: shop.connection,
    applicationName: 'orderwheel-test',
    maxConnections: 2,
    onConnectionLost: () => {},
    ...options,
  })
  closing.push(database)
  return database
}

async function limitsOf({ db }: Database): Promise<string[]> {
  const { rows } = await sql<{ limits: string[] }>`
    select array[current_setting('statement_timeout'),
                 current_setting('idle_in_transaction_session_timeout'),
                 current_setting('lock_timeout')] as limits`.execute(db)
  return rows.flatMap(({ limits }) => limits)
}

/** Passes everything on to the server, until it swallows what the connections made so far still send. */
async function startNetwork(host: string, port: number) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, host)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.pipe(upstream).pipe(client)
    client.on('close', () => upstream.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    port: (server.address() as AddressInfo).port,
    swallow() {
      for (const socket of sockets) socket.unpipe().resume()
    },
  }
}
