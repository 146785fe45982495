import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { onlyDeployment } from '#base/deployment.ts'
import { runDoctor, type DoctorOptions } from '#doctor/run-doctor.ts'
import { installPgBoss } from '#queues/open-boss.ts'

import { diagnose } from '../support/diagnose.ts'
import { eventually } from '../support/eventually.ts'
import { followServer } from '../support/follow-server.ts'
import { startCluster, type Cluster } from '../support/start-cluster.ts'

let cluster: Cluster
const atOnce = { patienceSeconds: 0 }

beforeAll(async () => {
  cluster = await startCluster(undefined, {
    fsync: 'off',
    synchronous_commit: 'off',
    max_prepared_transactions: '2',
    wal_level: 'logical',
    autovacuum: 'off',
  })
  await migrateDatabase(cluster.connection, createLog('test', 'silent'))
  await installPgBoss(cluster.pool)
  await cluster.pool.query('alter system set autovacuum = on')
})
afterAll(() => cluster.close())

test('settings that lose orders are found', async () => {
  const { findings } = await examineServer()
  const unsafe = findings.filter(({ kind }) => kind === 'unsafe-setting')
  expect(unsafe.map(({ what, severity }) => `${severity}: ${what}`)).toEqual([
    'error: fsync is off.',
    'error: synchronous_commit is off.',
  ])
  expect(findings).toContainEqual(
    expect.objectContaining({
      kind: 'autovacuum-off',
      what: 'Autovacuum is off for the whole server.',
    }),
  )
})

test('a transaction that holds the horizon is found, with its pid, application and age', async () => {
  const client = await connect('monthly-report')
  await client.query('begin isolation level repeatable read')
  await client.query('select 1')
  await cluster.pool.query(
    `insert into orderwheel.audit_log (who, action, subject) values ('a', 'b', 'c')`,
  )
  const held = (await examineServer(atOnce)).findings.filter(({ kind }) => kind === 'xmin-held')
  expect(held).toEqual([
    expect.objectContaining({
      what: expect.stringMatching(
        /^pid \d+ \(monthly-report, user postgres, idle in transaction\) has a transaction open for \d+ s; [1-9]\d* transactions have begun since\.$/,
      ),
      fix: expect.stringMatching(/^select pg_terminate_backend\(\d+\);/),
    }),
  ])
  // For minutes it is a report that somebody runs.
  expect((await examineServer()).findings.map(({ kind }) => kind)).not.toContain('xmin-held')

  await cluster.pool.query(held[0]?.fix.split(';')[0] ?? '')
  await eventually(async () =>
    (await examineServer(atOnce)).findings.every(({ kind }) => kind !== 'xmin-held'),
  )
  await client.end().catch(() => {})
})

test('a prepared transaction and a slot that nobody reads are found, and their fix removes them', async () => {
  // First: a new slot waits for whatever is open.
  await cluster.pool.query(`select pg_create_logical_replication_slot('nobody', 'pgoutput')`)
  const client = await connect('two-phase')
  await client.query('begin')
  await client.query(
    `insert into orderwheel.audit_log (who, action, subject) values ('a', 'b', 'c')`,
  )
  await client.query(`prepare transaction 'it''s forgotten'`)
  await client.end()

  const { findings } = await examineServer(atOnce)
  const prepared = findings.find(({ kind }) => kind === 'prepared-transaction')
  const slot = findings.find(({ kind }) => kind === 'replication-slot')
  expect(prepared?.what).toMatch(
    /^Transaction it's forgotten of postgres was prepared \d+ s ago, .*; \d+ transactions have begun since\.$/,
  )
  expect(slot?.what).toMatch(/^Nobody reads replication slot nobody/)
  for (const finding of [prepared, slot]) await cluster.pool.query(finding?.fix ?? '')
  const kinds = (await examineServer(atOnce)).findings.map(({ kind }) => kind)
  expect(kinds).not.toContain('prepared-transaction')
  expect(kinds).not.toContain('replication-slot')
})

test('a standby that keeps rows for its own queries is found, by its connection or by its slot', async () => {
  const standby = await followServer(cluster, { application: 'reports-standby' })
  const inSlot = await followServer(cluster, { application: 'eu-standby', slot: 'eu' })
  await cluster.pool.query(
    `insert into orderwheel.audit_log (who, action, subject) values ('a', 'b', 'c')`,
  )
  try {
    const { findings } = await examineServer(atOnce)
    expect(findings.filter(({ kind }) => kind === 'xmin-held')).toEqual([
      expect.objectContaining({
        what: expect.stringMatching(
          /^Standby reports-standby \(pid \d+, user postgres\) keeps rows .*; [1-9]\d* transactions have begun since\.$/,
        ),
        fix: expect.stringContaining('-- on the standby'),
      }),
    ])
    expect(findings.filter(({ kind }) => kind === 'replication-slot')).toEqual([
      expect.objectContaining({
        what: expect.stringMatching(
          /^Replication slot eu, in use by eu-standby \(pid \d+\), keeps rows since [1-9]\d* transactions ago\.$/,
        ),
      }),
    ])
    // A standby that keeps up is always a few transactions behind.
    const kinds = (await examineServer()).findings.map(({ kind }) => kind)
    expect(kinds).not.toContain('xmin-held')
    expect(kinds).not.toContain('replication-slot')
  } finally {
    await standby.end()
    await inSlot.end()
    // The server is in the slot until it notices that the standby went.
    await eventually(() => cluster.pool.query(`select pg_drop_replication_slot('eu')`))
  }
})

test('a database that does not answer is a finding, not an error', async () => {
  const connection = { ...cluster.connection, port: 1 }
  expect((await diagnose({ connection })).findings).toEqual([
    expect.objectContaining({ kind: 'database-unreachable', severity: 'error' }),
  ])
})

test('an examination that fails or hangs is itself a finding, and the others go on', async () => {
  const hangs = {
    subject: 'what hangs',
    examine: async () => {
      await cluster.pool.query('select pg_sleep(2)')
      return { findings: [] }
    },
  }
  const slow = {
    subject: 'what the server ends',
    examine: async ({ pool }: { pool: pg.Pool }) => {
      await pool.query('select pg_sleep(60)')
      return { findings: [] }
    },
  }
  const well = { subject: 'what is well', examine: async () => ({ findings: [] }) }
  const report = await diagnose(cluster, { examinations: [hangs, slow, well], examinationMs: 300 })
  expect(report.well).toEqual(['what is well'])
  expect(report.findings.map(({ kind, what }) => `${kind}: ${what}`)).toEqual([
    expect.stringMatching(
      /^not-examined: It could not be found out: what hangs\. It took more than/,
    ),
    expect.stringMatching(
      /^not-examined: It could not be found out: what the server ends\. Canceling statement/,
    ),
  ])
})

async function examineServer(options: Partial<DoctorOptions> = {}) {
  const { connection } = cluster
  return runDoctor({
    database: connection,
    directDatabase: undefined,
    poolSize: 10,
    deployment: onlyDeployment,
    targets: [],
    routes: {},
    ...options,
  })
}

async function connect(application_name: string): Promise<pg.Client> {
  const client = new pg.Client({ ...cluster.connection, application_name })
  // The doctor's fix ends it.
  client.on('error', () => {})
  await client.connect()
  return client
}
