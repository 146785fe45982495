import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase, readMigrations, type Migration } from '#database/migrate.ts'
import {
  latestMigration,
  migrationStatus,
  waitForSchema,
  whyNotReady,
} from '#database/schema-version.ts'

import { eventually } from '../support/eventually.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

const log = createLog('test', 'silent')
let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase({ template: 'template0' })
})
afterEach(() => database.close())

test('an empty database gets every migration, once, and says so', async () => {
  const names = (await readMigrations()).map(({ name }) => name)

  expect(await migrateDatabase(database.connection, log)).toEqual(names)
  expect(await migrateDatabase(database.connection, log)).toEqual([])

  const status = await migrationStatus(database.db)
  expect(status.map(({ name }) => name)).toEqual(names)
  expect(status.every(({ appliedAt }) => appliedAt !== null)).toBe(true)
})

test('machines that migrate at the same time do not get in each other’s way', async () => {
  const runs = await Promise.all(
    Array.from({ length: 5 }, () => migrateDatabase(database.connection, log)),
  )

  expect(runs.flat()).toEqual((await readMigrations()).map(({ name }) => name))
})

test('a migration that was changed after it was applied is refused', async () => {
  await migrateDatabase(database.connection, log, {
    migrations: [migration('0001-a.sql', 'select 1')],
  })

  await expect(
    migrateDatabase(database.connection, log, {
      migrations: [{ ...migration('0001-a.sql', 'select 2'), checksum: 'b'.repeat(64) }],
    }),
  ).rejects.toThrow('Migration 0001-a.sql is not the file that was applied to this database')
})

test('a migration that fails leaves nothing behind, and those before it stay', async () => {
  const broken = migration('0002-b.sql', 'create table orderwheel.b (); select 1/0')
  const first = migration('0001-a.sql', 'create table orderwheel.a ()')

  await expect(
    migrateDatabase(database.connection, log, { migrations: [first, broken] }),
  ).rejects.toThrow('Migration 0002-b.sql failed and left nothing behind: division by zero')

  const found = await sql<{ a: string | null; b: string | null }>`
    select to_regclass('orderwheel.a') as a, to_regclass('orderwheel.b') as b`.execute(database.db)
  expect(found.rows).toEqual([{ a: 'orderwheel.a', b: null }])
})

test('a migration that cannot be recorded is undone', async () => {
  const name = `0001-${'x'.repeat(300)}.sql`

  await expect(
    migrateDatabase(database.connection, log, {
      migrations: [migration(name, 'create table orderwheel.a ()')],
    }),
  ).rejects.toThrow('violates check constraint')

  const found = await sql<{ a: string | null }>`select to_regclass('orderwheel.a') as a`.execute(
    database.db,
  )
  expect(found.rows).toEqual([{ a: null }])
})

test('a migration that cannot have its lock lets others through, and has it when it is free', async () => {
  const create = migration('0001-a.sql', 'create table orderwheel.a ()')
  const alter = migration('0002-b.sql', 'alter table orderwheel.a add column b int')
  await migrateDatabase(database.connection, log, { migrations: [create] })
  const migrating = await database.db.transaction().execute(async (tx) => {
    await sql`lock table orderwheel.a in access share mode`.execute(tx)
    const migrating = migrateDatabase(database.connection, log, { migrations: [create, alter] })
    await eventually(async () => expect(await waitingForA()).toBe(true))
    // Behind the migration in the queue: it is through while the migration still has no lock.
    expect(await sql`select from orderwheel.a`.execute(database.db)).toMatchObject({ rows: [] })
    return { migrating }
  })

  expect(await migrating.migrating).toEqual(['0002-b.sql'])
})

test('a migration that cannot have its lock for long gives up and says so', async () => {
  const create = migration('0001-a.sql', 'create table orderwheel.a ()')
  const alter = migration('0002-b.sql', 'alter table orderwheel.a add column b int')
  await migrateDatabase(database.connection, log, { migrations: [create] })
  await database.db.transaction().execute(async (tx) => {
    await sql`lock table orderwheel.a in access share mode`.execute(tx)
    const migrations = [create, alter]

    await expect(
      migrateDatabase(database.connection, log, { migrations, lockSeconds: 0 }),
    ).rejects.toThrow('canceling statement due to lock timeout. Run "orderwheel migrate" again')
  })
})

async function waitingForA(): Promise<boolean> {
  const { rows } = await sql<{ waiting: boolean }>`
    select exists (select from pg_locks
                    where relation = 'orderwheel.a'::regclass and not granted) as waiting`.execute(
    database.db,
  )
  return rows[0]?.waiting ?? false
}

test('a migration that another process holds up says who it is, and gives up with what to do', async () => {
  const warnings: string[] = []
  const listening = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) })
  await database.db.connection().execute(async (holder) => {
    await sql`select pg_advisory_lock(hashtext('orderwheel'), hashtext('migrate'))`.execute(holder)
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(holder)
    const who = `pid ${rows[0]?.pid} (orderwheel-test) of 127.0.0.1`

    const waiting = migrateDatabase(database.connection, listening, { waitSeconds: 0.3 })

    await expect(waiting).rejects.toThrow(
      `Another process has been migrating this database for 0.3 s: ${who}. See`,
    )
    expect(warnings).toEqual([expect.stringContaining(who)])
    await sql`select pg_advisory_unlock_all()`.execute(holder)
  })
})

test('a process that starts before the migration waits for it', async () => {
  const latest = await latestMigration()
  expect(await whyNotReady(database.db, latest)).toContain('run "orderwheel migrate"')
  const waiting = waitForSchema({ db: database.db, log, signal: AbortSignal.timeout(30_000) })

  await migrateDatabase(database.connection, log)

  await waiting
})

test('a process that waits for the migration can be stopped', async () => {
  const stop = new AbortController()
  const waiting = waitForSchema({ db: database.db, log, signal: stop.signal })

  stop.abort()

  await expect(waiting).rejects.toThrow('aborted')
})

test('shared limits come to a database with a history: what is open is counted anew, what is settled is left alone', async () => {
  const migrations = await readMigrations()
  await migrateDatabase(database.connection, log, { migrations: migrations.slice(0, 1) })
  await database.pool.query(`
    with ordered as (
      insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
      values ('WEB-1', uuidv7(), 'k', sha256(''), '{}')
      returning id
    ), told as (
      insert into orderwheel.messages (id, position, order_id, kind, payload, created_at)
      select id, 1, id, 'order.placed', '{}', now() from ordered
    )
    insert into orderwheel.deliveries (message_id, target, position, order_id, state, attempts, settled_at)
    select id, d.target, 1, id, d.state, d.attempts, d.settled_at
      from ordered, (values ('active', 'active', 3, null), ('dead', 'dead', 35, now()),
                            ('delivered', 'delivered', 1, now()), ('retrying', 'retrying', 2, null),
                            ('waiting', 'waiting', 0, null)) as d(target, state, attempts, settled_at)`)
  const place = async () => {
    const { rows } = await database.pool.query<{ at: string }>(
      `select ctid::text as at from orderwheel.deliveries where state = 'delivered'`,
    )
    return rows
  }
  const before = await place()

  await migrateDatabase(database.connection, log)

  const { rows } = await database.pool.query(
    `select state, attempts, last_fetch, awaited from orderwheel.deliveries order by state`,
  )
  expect(rows).toEqual([
    { state: 'active', attempts: 2, last_fetch: 1, awaited: true },
    { state: 'dead', attempts: 35, last_fetch: -1, awaited: true },
    { state: 'delivered', attempts: 1, last_fetch: -1, awaited: false },
    { state: 'retrying', attempts: 2, last_fetch: 1, awaited: true },
    { state: 'waiting', attempts: 0, last_fetch: -1, awaited: true },
  ])
  expect(await place()).toEqual(before)
})

test('a view that somebody built upon the history is not left behind with the oldest rows', async () => {
  const all = await readMigrations()
  const before = all.filter(({ name }) => name < '0012')
  await migrateDatabase(database.connection, log, { migrations: before })
  await sql`create view public.my_report as select target from orderwheel.deliveries`.execute(
    database.db,
  )

  await expect(migrateDatabase(database.connection, log)).rejects.toThrow(
    /make it again afterwards: view my_report/,
  )

  await sql`drop view public.my_report`.execute(database.db)
  expect(await migrateDatabase(database.connection, log)).toContain('0012-history-by-month.sql')
})

test('everything in the schema says what it is for: tables, columns, indexes, rules, functions, the role', async () => {
  await migrateDatabase(database.connection, log)

  // A check of one column and a primary key say themselves what they are for. What a month's partition has is the whole's.
  const found = await sql<{ what: string }>`
    with ours as (
      select * from pg_class
       where relnamespace = 'orderwheel'::regnamespace and not relispartition
    )
    select format('%s %s', relkind, relname) as what from ours
     where relkind in ('r', 'p', 'v', 'm', 'i', 'I', 'S', 'f', 'c') and obj_description(oid, 'pg_class') is null
       and not exists (select from pg_index i where i.indexrelid = ours.oid and i.indisprimary)
    union all
    select format('column %s.%s', c.relname, a.attname)
      from ours c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relkind in ('r', 'p', 'v', 'm') and col_description(c.oid, a.attnum) is null
    union all
    select format('constraint %s on %s', conname, relname)
      from pg_constraint join ours c on c.oid = conrelid
     where (contype in ('u', 'f', 'x') or contype = 'c' and cardinality(conkey) > 1)
       and obj_description(pg_constraint.oid, 'pg_constraint') is null
    union all
    select format('trigger %s on %s', tgname, relname)
      from pg_trigger t join ours c on c.oid = tgrelid
     where not tgisinternal and obj_description(t.oid, 'pg_trigger') is null
    union all
    select format('function %s', proname) from pg_proc
     where pronamespace = 'orderwheel'::regnamespace and obj_description(oid, 'pg_proc') is null
    union all
    select format('type %s', typname) from pg_type
     where typnamespace = 'orderwheel'::regnamespace and typtype in ('e', 'd') and obj_description(oid, 'pg_type') is null
    union all
    select 'schema' where obj_description('orderwheel'::regnamespace, 'pg_namespace') is null
    union all
    select 'role' where shobj_description((select oid from pg_roles where rolname = 'orderwheel_reader'), 'pg_authid') is null`.execute(
    database.db,
  )
  expect(found.rows).toEqual([])
})

function migration(name: string, statements: string): Migration {
  return { name, sql: statements, checksum: 'a'.repeat(64) }
}
