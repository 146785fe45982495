import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { onlyDeployment } from '#base/deployment.ts'
import { examinations } from '#doctor/examinations.ts'
import { brokenChain } from '#doctor/find-broken-chain.ts'
import { claimOwnership } from '#owner/write-owner.ts'
import { addMonths } from '#upkeep/add-months.ts'

import { diagnose, findOnly } from '../support/diagnose.ts'
import { eventually } from '../support/eventually.ts'
import { beginMonthsAgo, dropLastMonths } from '../support/past-months.ts'
import { findPgBouncer, startPgBouncer } from '../support/start-pgbouncer.ts'
import { onServer, testDatabase, type TestDatabase } from '../support/test-database.ts'

// Rows that are many, and of which the audit chain does not know.
const withoutChain = examinations.filter((one) => one !== brokenChain)

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  // As the first worker does when it starts.
  await addMonths(database.db)
})
afterEach(() => database.close())

test('a healthy database has no findings, and all of it was seen', async () => {
  const report = await diagnose(database)
  expect(report.findings).toEqual([])
  expect(report.unseen).toEqual([])
  expect(report.well.length).toBeGreaterThan(14)
})

describe.skipIf(!findPgBouncer())(
  'behind PgBouncer in transaction mode (if one is installed)',
  () => {
    test('no direct URL, no limits of the role, and a direct URL that is none are found', async () => {
      const { connection } = database
      const bouncer = await startPgBouncer({ server: connection, poolSize: 5 })
      const pooled = { ...connection, port: bouncer.port }
      try {
        const { findings } = await diagnose({ connection: pooled })
        expect(findings.map(({ kind }) => kind)).toEqual([
          'pooler-without-direct-url',
          'no-limits-behind-pooler',
        ])
        expect(findings[1]?.fix).toContain(`set statement_timeout = '30s';`)

        const both = await diagnose({ connection: pooled }, { directDatabase: pooled })
        expect(both.findings.map(({ kind }) => kind)).toContain('direct-url-through-pooler')
        // Of the database, so that other tests keep theirs.
        await database.pool.query(`
        alter database ${connection.database} set statement_timeout = '30s';
        alter database ${connection.database} set idle_in_transaction_session_timeout = '15s'`)
        await bouncer.restart()
        const direct = await diagnose({ connection: pooled }, { directDatabase: connection })
        expect(direct.findings).toEqual([])
      } finally {
        await bouncer.stop()
      }
    })
  },
)

test('pools that exceed what the server allows are found, with the size that fits', async () => {
  await database.pool.query(`
    insert into pgboss.instance (id, name, host, pid, version, node_version, heartbeat_seconds, supervise, schedule, migrate, persist_queue_stats, persist_warnings)
    select gen_random_uuid(), name, 'host', n, '12', '24', 60, true, true, true, true, true
      from generate_series(1, 10) n, unnest(array['relay', 'worker']) name`)
  const [finding] = await findOnly(database, 'too-many-connections')
  // The tests' server allows 200, 3 of them to superusers only.
  expect(finding?.what).toMatch(
    /^0 api, 10 relay and 10 worker running by now may come to hold 220 connections \(DATABASE_POOL_SIZE is 10 here\), and the server \(max_connections 200/,
  )
  expect(finding?.fix).toMatch(/^DATABASE_POOL_SIZE=9 /)
  expect((await diagnose(database, { poolSize: 9 })).findings).toEqual([])
})

test('a session that others of ours wait for is found', async () => {
  const client = new pg.Client({ ...database.connection, application_name: 'migration-by-hand' })
  client.on('error', () => {})
  await client.connect()
  await client.query('begin')
  await client.query('lock table orderwheel.replays')
  const api = new pg.Client({ ...database.connection, application_name: 'orderwheel-api' })
  await api.connect()
  const waiting = api.query('select count(*) from orderwheel.replays')
  const find = async () =>
    (await diagnose(database, { patienceSeconds: 0 })).findings.find(
      ({ kind }) => kind === 'blocked-session',
    )
  const found = await eventually(find)
  expect(found.what).toMatch(
    /^pid \d+ \(migration-by-hand, idle in transaction\) holds a lock that 1 of our sessions wait/,
  )

  await database.pool.query(found.fix.split(';')[0] ?? '')
  await waiting
  await api.end()
  await client.end().catch(() => {})
})

test('tables that are not vacuumed, ours and pg-boss’s, are found', async () => {
  await database.pool.query(`
    alter table orderwheel.audit_log set (autovacuum_enabled = off);
    alter table pgboss.job_common set (autovacuum_enabled = false)`)
  const off = await findOnly(database, 'autovacuum-off')
  expect(off.map(({ what }) => what).toSorted()).toEqual([
    'Autovacuum is off for orderwheel.audit_log.',
    'Autovacuum is off for pgboss.job_common.',
  ])

  await database.pool.query(`
    begin;
    set local session_replication_role = replica;
    insert into orderwheel.audit_log (who, action, subject) select 'a', 'b', 'c' from generate_series(1, 120000);
    delete from orderwheel.audit_log;
    commit`)
  const behind = await eventually(async () =>
    (await diagnose(database, { patienceSeconds: 0 })).findings.find(
      ({ kind }) => kind === 'vacuum-behind',
    ),
  )
  expect(behind.what).toMatch(
    /^orderwheel\.audit_log has 120000 dead rows, \d+ times what its settings/,
  )

  await database.pool.query(behind.fix.split(';')[0] ?? '')
  for (const { fix } of off) await database.pool.query(fix)
  await eventually(async () => (await diagnose(database)).findings.length === 0)
})

test('an index that is mostly empty is found: estimated, or measured where pgstattuple is there', async () => {
  await database.pool.query(`
    begin;
    set local session_replication_role = replica;
    insert into orderwheel.audit_log (who, action, subject) select 'a', 'b', 'order ' || n from generate_series(1, 50000) n;
    delete from orderwheel.audit_log where subject not like '%00';
    commit;
    -- else they may be counted after the table was analyzed, as changes since
    select pg_stat_force_next_flush()`)
  await database.pool.query('vacuum analyze orderwheel.audit_log')
  const options = { leastIndexBytes: 1_000_000, examinations: withoutChain }
  const estimated = await findOnly(database, 'index-bloat', options)
  expect(estimated.map(({ what }) => what)).toContainEqual(
    expect.stringMatching(
      /^orderwheel\.audit_log_subject is \d\.\d MB large, and 9\d % of it is empty \(estimated/,
    ),
  )

  await database.pool.query('create extension pgstattuple')
  const measured = await findOnly(database, 'index-bloat', options)
  expect(measured.map(({ what }) => what)).toContainEqual(
    expect.stringMatching(
      /^orderwheel\.audit_log_subject is \d\.\d MB large, and 9\d % of it is empty \(measured/,
    ),
  )
  for (const { fix } of measured) await database.pool.query(fix)
  expect((await diagnose(database, options)).findings).toEqual([])
})

test('a full index is not found, estimated or measured', async () => {
  await database.pool.query(`
    begin;
    set local session_replication_role = replica;
    insert into orderwheel.audit_log (who, action, subject) select 'a', 'b', 'order ' || n from generate_series(1, 50000) n;
    commit;
    select pg_stat_force_next_flush()`)
  // Before anybody has counted its rows.
  expect(
    (await diagnose(database, { leastIndexBytes: 100_000, examinations: withoutChain })).findings,
  ).toEqual([])
  await database.pool.query('vacuum analyze orderwheel.audit_log')
  expect(
    (await diagnose(database, { leastIndexBytes: 100_000, examinations: withoutChain })).findings,
  ).toEqual([])
  await database.pool.query('create extension pgstattuple')
  expect(
    (await diagnose(database, { leastIndexBytes: 100_000, examinations: withoutChain })).findings,
  ).toEqual([])
})

test('an audit chain that somebody touched is found', async () => {
  await database.pool.query(`
    insert into orderwheel.audit_log (who, action, subject) values ('eva', 'a', 's');
    update orderwheel.audit_log set who = 'mallory'`)
  const [touched] = await findOnly(database, 'audit-chain-broken')
  expect(touched?.what).toMatch(
    /^One thing is not as entered in the audit chain\. Record .* was changed/,
  )
  await database.pool.query(`update orderwheel.audit_log set who = 'eva'`)
  expect((await diagnose(database)).findings).toEqual([])
})

test('a table that was not frozen for half of the transactions there can be is found', async () => {
  await database.pool.query(`
    update pg_class set relfrozenxid = ((txid_current() + (1::bigint << 32) - 1200000000) % (1::bigint << 32))::text::xid
     where oid = 'orderwheel.audit_log'::regclass`)
  const [old] = await findOnly(database, 'wraparound')
  expect(old?.what).toMatch(
    /^orderwheel\.audit_log has not been frozen for 1,200 million transactions/,
  )
  await database.pool.query(old?.fix.split(';')[0] ?? '')
  expect((await diagnose(database)).findings).toEqual([])
})

test('a clock that is off by more than a second is found, either way', async () => {
  const [behind] = await findOnly(database, 'clock-skew', { now: () => Date.now() - 5_000 })
  expect(behind?.what).toMatch(/^This machine's clock is (4\.9|5\.0|5\.1) s behind the database's/)
  const [ahead] = await findOnly(database, 'clock-skew', { now: () => Date.now() + 90_000 })
  expect(ahead?.what).toMatch(/is (89\.9|90\.0|90\.1) s ahead of/)
})

test('a database of another environment is found, and one that may not be delivered from', async () => {
  await claimOwnership(database.db, { environment: 'production' }, 'worker')
  const [foreign] = await findOnly(database, 'foreign-database')
  expect(foreign).toMatchObject({
    severity: 'error',
    what: expect.stringContaining('Its owner is production, database test_'),
    fix: expect.stringContaining('orderwheel owner --take'),
  })
  const production = { ...onlyDeployment, environment: 'production' }
  expect((await diagnose(database, { deployment: production })).findings).toEqual([])
  for (const [deliver, severity] of [
    ['yes', 'warning'],
    ['no', 'error'],
  ] as const)
    expect(
      await findOnly(database, 'foreign-database', { deployment: { ...onlyDeployment, deliver } }),
    ).toMatchObject([{ severity }])
})

test('a role with few rights is told what it could not see', async () => {
  await onServer((client) =>
    client.query(`
      do $$ begin create role sees_little login password 'few';
      exception when duplicate_object or unique_violation then null; end $$;`),
  )
  const connection = { ...database.connection, user: 'sees_little', password: 'few' }
  const report = await diagnose({ connection })
  expect(report.findings).toEqual([])
  expect(report.unseen.map(({ subject }) => subject)).toEqual(
    expect.arrayContaining(['the outbox, and whether it moves']),
  )
  expect(report.well).toContain('this machine’s clock against the database’s')
})

test('partitions that nobody added ahead are found, before they are missed', async () => {
  await beginMonthsAgo(database.db, 0)
  await dropLastMonths(database, 'delivery_attempts', 2)
  const [late] = await findOnly(database, 'partitions-missing')
  expect(late).toMatchObject({
    severity: 'warning',
    what: expect.stringMatching(
      /^orderwheel\.delivery_attempts has no partition for \d{4}_\d\d\.$/,
    ),
  })
  await addMonths(database.db)
  expect((await diagnose(database)).findings).toEqual([])
})
