import pg from 'pg'
import { inject } from 'vitest'

import { openDatabase, type Database } from '#database/open-database.ts'

export type TestDatabase = Database & {
  connection: { host: string; port: number; user: string; password: string; database: string }
}

/**
 * A migrated database of the test file's own, cloned from the template. `close()` drops it, and fails
 * when somebody still holds a connection to it: a pool or process the test forgot to stop.
 */
export async function testDatabase(
  options: { maxConnections?: number; template?: string } = {},
): Promise<TestDatabase> {
  const connection = { ...inject('postgres'), database: uniqueName() }
  await onServer(async (client) => {
    // A template must not be in use: two clones at once would refuse each other.
    await client.query(`select pg_advisory_lock(hashtext('clone template_orderwheel'))`)
    const template = options.template ?? 'template_orderwheel'
    await client.query(`create database ${connection.database} template ${template}`)
  })
  const database = openDatabase({
    connection,
    applicationName: 'orderwheel-test',
    maxConnections: options.maxConnections ?? 20,
    onConnectionLost: () => {},
  })
  return { ...database, connection, close: () => close(database, connection.database) }
}

/** Runs something on the server outside any test's database. */
export async function onServer<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...inject('postgres'), database: 'postgres' })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

let made = 0

function uniqueName(): string {
  made += 1
  return `test_${process.pid}_${Date.now().toString(36)}_${made}`
}

async function close(database: Database, name: string): Promise<void> {
  await database.close()
  await onServer(async (client) => {
    const leaked = await connectionsTo(client, name)
    await client.query(`drop database ${name} with (force)`)
    if (leaked.length > 0)
      throw new Error(`The test left connections open to its database: ${leaked.join(', ')}`)
  })
}

/** A closed connection's backend needs a moment to end. */
async function connectionsTo(client: pg.Client, name: string): Promise<string[]> {
  const deadline = Date.now() + 3_000
  for (;;) {
    const found = await client.query<{ who: string }>(
      `select application_name || ': ' || left(query, 100) as who from pg_stat_activity
        where datname = $1 and backend_type = 'client backend'`,
      [name],
    )
    if (found.rows.length === 0 || Date.now() > deadline) return found.rows.map((row) => row.who)
    await client.query('select pg_sleep(0.02)')
  }
}
