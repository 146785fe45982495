import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { findPgBouncer, startPgBouncer } from '../support/start-pgbouncer.ts'
import {
  connectionString,
  startOrderwheel,
  type OrderwheelProcess,
} from '../support/start-process.ts'
import { nobodyCalled as shop } from '../support/nobody-called.ts'
import { onServer, testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let role: string
let running: OrderwheelProcess[]

beforeEach(async () => {
  database = await testDatabase()
  role = `shop_${database.connection.database}`
  running = []
})
afterEach(async () => {
  await Promise.all(running.map((process) => process.stop()))
  await database.close()
  await onServer((client) => client.query(`drop role if exists ${role}`))
})

test('a process that could never have its connections refuses to start, and says what fits', async () => {
  await limitRole(20)
  const refused = start('all')

  expect(await refused.ended).toBe(1)
  expect(refused.output()).toContain(
    `api, relay, worker may hold 32 database connections (10 each, 2 to listen), and role ${role} (its connection limit) allows 20: set DATABASE_POOL_SIZE to 6, or raise that limit to 32 or more.\n`,
  )

  const fitting = start('all', { DATABASE_POOL_SIZE: '6' })
  await fitting.said(/"msg":"worker started"/)
  await fitting.said(/"msg":"relay started"/)
  expect(fitting.output()).not.toContain('connections may run out')
})

test('an api that listened before its database was there ends when it cannot have its connections', async () => {
  await limitRole(1)
  const api = start('api')

  expect(await api.ended).toBe(1)
  expect(api.output()).toContain('listening at')
  expect(api.output()).toMatch(
    /^api may hold 10 database connections \(10 each\), and role .* allows 1: raise/m,
  )
})

test('a process that finds too little room beside the others starts, with a warning', async () => {
  await limitRole(40)
  const others = Array.from({ length: 15 }, () => new pg.Client(connection()))
  try {
    await Promise.all(others.map((other) => other.connect()))

    const warned = start('all')
    const [, held] = await warned.said(
      /allows 40, and others hold about (\d+) of them\..*"msg":"connections may run out"/,
    )
    await warned.said(/"msg":"worker started"/)

    // Give or take what the process itself is opening at that moment.
    expect(Math.abs(Number(held) - 15)).toBeLessThan(5)
  } finally {
    await Promise.all(others.map((other) => other.end()))
  }
})

test('what the server keeps for superusers is no room', async () => {
  await limitRole(-1)
  const refused = start('worker', { DATABASE_POOL_SIZE: '197' })

  expect(await refused.ended).toBe(1)
  expect(refused.output()).toMatch(
    /^worker may hold 198 .* the server \(max_connections 200, 3 of them reserved\) allows 197: set DATABASE_POOL_SIZE to 196,/m,
  )
})

test.skipIf(!findPgBouncer())(
  'behind PgBouncer (if one is installed) only what listens counts',
  async () => {
    await limitRole(4)
    const bouncer = await startPgBouncer({ server: connection(), poolSize: 2 })
    try {
      const { host, port } = bouncer
      const DATABASE_URL = connectionString({ ...connection(), host, port })
      const DIRECT_DATABASE_URL = connectionString(connection())

      for (const environment of [{ DATABASE_URL }, { DATABASE_URL, DIRECT_DATABASE_URL }]) {
        const process = start('all', environment)
        await process.said(/"msg":"worker started"/)
        expect(process.output()).not.toContain('connections may run out')
        expect(await process.stop()).toBe(0)
      }
    } finally {
      await bouncer.stop()
    }
  },
)

/** A role of the shop's that may do everything and hold so many connections; -1: any number. */
async function limitRole(connections: number): Promise<void> {
  const { user, password } = database.connection
  await database.pool.query(
    `create role ${role} login password '${password}' in role ${user} connection limit ${connections}`,
  )
}

function connection() {
  return { ...database.connection, user: role }
}

function start(command: string, environment: Record<string, string> = {}): OrderwheelProcess {
  const process = startOrderwheel([command], {
    ...shop,
    DATABASE_URL: connectionString(connection()),
    ...environment,
  })
  running.push(process)
  return process
}
