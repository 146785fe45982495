import { afterEach, beforeEach, expect, test } from 'vitest'

import { addMonths } from '#upkeep/add-months.ts'

import { diagnose, findOnly } from '../support/diagnose.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  // As the first worker does when it starts.
  await addMonths(database.db)
})
afterEach(() => database.close())

const droppedByHand = [
  ['drop index orderwheel.outbox_order', 'Index orderwheel.outbox_order is missing.'],
  [
    'alter table orderwheel.outbox drop constraint outbox_kind_check',
    'Constraint orderwheel.outbox.outbox_kind_check is missing.',
  ],
  [
    'drop trigger delete_deliveries on orderwheel.messages',
    'Trigger orderwheel.messages.delete_deliveries is missing.',
  ],
] as const

test.each(droppedByHand)(
  'what was dropped by hand is found, and its fix mends it: %s',
  async (sql, what) => {
    await database.pool.query(sql)
    const findings = await findOnly(database, 'schema-drift')
    expect(findings.map((finding) => finding.what)).toEqual([what])

    await database.pool.query(findings[0]?.fix ?? '')
    expect((await diagnose(database)).findings).toEqual([])
  },
)

test('a column that was dropped or altered by hand is found', async () => {
  await database.pool.query(`
    alter table orderwheel.idempotency_keys drop column answer;
    alter table orderwheel.api_keys alter column rate_per_second drop default`)
  const findings = await findOnly(database, 'schema-drift')
  expect(findings.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      'Column orderwheel.idempotency_keys.answer is missing.',
      expect.stringMatching(/^Column orderwheel\.api_keys\.rate_per_second was altered/),
    ]),
  )
})

test('a role or database with a search_path of its own changes nothing about the schema', async () => {
  await database.pool.query(`
    alter database ${database.connection.database} set search_path = orderwheel, pgboss, public`)
  expect((await diagnose(database)).findings).toEqual([])
})

test('a migration that is missing, or is not the file that was applied, is found', async () => {
  await database.pool.query(`
    update orderwheel.schema_migrations set checksum = repeat('0', 64) where name = '0001-orders-to-deliveries.sql'`)
  expect((await findOnly(database, 'migration-changed'))[0]?.what).toContain(
    '0001-orders-to-deliveries.sql',
  )

  await database.pool.query(`
    delete from orderwheel.schema_migrations where name = '0005-owner.sql'`)
  const { findings } = await diagnose(database)
  expect(findings).toContainEqual(
    expect.objectContaining({ kind: 'not-migrated', severity: 'error', fix: 'orderwheel migrate' }),
  )
})

test('a database that was never migrated says so, and nothing hangs or throws', async () => {
  await database.pool.query('drop schema orderwheel cascade; drop schema pgboss cascade')
  const kinds = (await diagnose(database)).findings.map(({ kind }) => kind)
  expect(kinds).toEqual(expect.arrayContaining(['not-migrated', 'pgboss-version']))
})

test('pg-boss’s schema: another version, a dropped index and an altered function are found', async () => {
  const { rows } = await database.pool.query(`
    select indexrelid::regclass::text as name from pg_index
     where indrelid = 'pgboss.job_common'::regclass and not indisprimary limit 1`)
  await database.pool.query(`drop index ${rows[0]?.name}`)
  const [missing] = await findOnly(database, 'pgboss-drift')
  expect(missing?.what).toMatch(/^Index \w+ of pgboss\.job_common is missing\.$/)
  await database.pool.query(missing?.fix ?? '')
  expect((await diagnose(database)).findings).toEqual([])

  await database.pool.query(`
    create or replace function pgboss.job_table_format(command text, table_name text) returns text
      language sql immutable as $$ select command $$`)
  const [altered] = await findOnly(database, 'pgboss-drift')
  expect(altered?.what).toContain('job_table_format was altered')
  await database.pool.query(altered?.fix ?? '')
  expect((await diagnose(database)).findings).toEqual([])

  await database.pool.query('update pgboss.version set version = 20')
  expect(await findOnly(database, 'pgboss-version')).toEqual([
    expect.objectContaining({
      what: expect.stringContaining('has version 20'),
      fix: 'orderwheel migrate',
    }),
  ])
})

test('unlogged tables and indexes that were never finished are found, and their fix mends them', async () => {
  await database.pool.query('alter table orderwheel.replay_items set unlogged')
  const [unlogged] = await findOnly(database, 'unlogged-table')
  await database.pool.query(unlogged?.fix ?? '')

  await database.pool.query(`
    insert into orderwheel.audit_log (who, action, subject) values ('eva', 'a', 's'), ('eva', 'a', 's')`)
  await expect(
    database.pool.query('create unique index concurrently twice on orderwheel.audit_log (who)'),
  ).rejects.toThrow('twice')
  const [invalid] = await findOnly(database, 'invalid-index')
  expect(invalid?.fix).toBe('reindex index concurrently orderwheel.twice;')
})
