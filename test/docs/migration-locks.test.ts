import { readFileSync } from 'node:fs'

import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase, readMigrations } from '#database/migrate.ts'

import { testDatabase } from '../support/test-database.ts'

const page = readFileSync(new URL('../../docs/for-dbas.md', import.meta.url), 'utf8')

// That have a row for each order, or more.
const large = `^(orders|outbox|messages|deliveries|delivery_attempts|dead_letters|replay_items|payments)(_until_|_\\d|$)`

test('whoever runs migrations on a large database finds whom each of them keeps waiting', async () => {
  const database = await testDatabase({ template: 'template0' })
  onTestFinished(() => database.close())
  const migrations = await readMigrations()
  // Those before made the tables.
  const isFirst = ({ name }: { name: string }) => name < '0003'
  await migrateDatabase(database.connection, createLog('test', 'silent'), {
    migrations: migrations.filter(isFirst),
  })
  const client = new pg.Client(database.connection)
  await client.connect()
  const unsaid: string[] = []
  try {
    for (const { name, sql } of migrations.filter((one) => !isFirst(one)))
      unsaid.push(...(await findUnsaid(client, { number: name.slice(0, 4), sql })))
  } finally {
    await client.end()
  }
  expect(unsaid).toEqual([])
})

async function findUnsaid(
  client: pg.Client,
  { number, sql }: { number: string; sql: string },
): Promise<string[]> {
  const before = await client.query<{ oid: number }>('select oid from pg_class')
  await client.query('begin')
  await client.query(sql)
  const { rows } = await client.query<{ table: string }>(
    `select distinct regexp_replace(c.relname, '_(until_)?\\d{4}_\\d\\d$', '') as table
       from pg_locks l join pg_class c on c.oid = l.relation
      where l.pid = pg_backend_pid() and c.oid = any($1::oid[]) and c.relkind in ('r', 'p')
        and c.relnamespace = 'orderwheel'::regnamespace and c.relname ~ $2
        and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`,
    [before.rows.map(({ oid }) => oid), large],
  )
  await client.query('commit')
  const said = page.split('\n').find((line) => line.startsWith(`| ${number} `)) ?? ''
  return rows
    .filter(({ table }) => !said.includes(`\`${table}\``))
    .map(({ table }) => `${number} ${table}`)
}
