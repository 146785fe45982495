import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
import { installPgBoss } from '#queues/open-boss.ts'

import type { BenchDatabase } from '../scenario.ts'

/** Durable, as in production, and large enough that no checkpoint falls into a measurement. */
export const serverSettings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  // Segments are used again, as on a server that has run for a while.
  min_wal_size: '4GB',
  checkpoint_timeout: '30min',
  max_connections: '200',
}

export type BenchServer = {
  createDatabase(): Promise<BenchDatabase>
  /** Stops the server and removes its data. */
  stop(): Promise<void>
}

/** Starts PostgreSQL with fresh data in a temporary folder, with a migrated database to clone from. */
export async function startBenchServer(): Promise<BenchServer> {
  const folder = await mkdtemp(join(tmpdir(), `orderwheel-bench-${process.pid}-`))
  // As root the server runs as another user, who has to get in here.
  await chmod(folder, 0o755)
  const removeFolder = () => rm(folder, { recursive: true, force: true })
  try {
    const server = await startEmbeddedPostgres({
      dataDirectory: join(folder, 'postgres'),
      settings: serverSettings,
    })
    const stop = async () => {
      await server.stop()
      await removeFolder()
    }
    const { host, port, user, password } = server.connection
    const connection = { host, port, user, password }
    try {
      await createTemplate(connection)
      await makeSegments(connection)
    } catch (error) {
      await stop()
      throw error
    }
    return { createDatabase: () => cloneDatabase(connection), stop }
  } catch (error) {
    await removeFolder()
    throw error
  }
}

type Connection = { host: string; port: number; user: string; password: string }

const template = 'template_orderwheel'

async function createTemplate(connection: Connection): Promise<void> {
  await onServer(connection, `create database ${template}`)
  const own = { ...connection, database: template }
  await migrateDatabase(own, createLog('bench', 'silent'))
  const pool = new pg.Pool(own)
  await installPgBoss(pool)
  await pool.end()
}

/** A new segment of the log costs ten times one that is used again: whoever writes first must not pay for it. */
async function makeSegments(connection: Connection): Promise<void> {
  await onServer(
    connection,
    `select pg_logical_emit_message(false, 'bench', repeat('x', 1_000_000)) from generate_series(1, 1_000)`,
  )
  await onServer(connection, 'checkpoint')
}

let made = 0

async function cloneDatabase(connection: Connection): Promise<BenchDatabase> {
  made += 1
  const database = `bench_${made}`
  await onServer(connection, `create database ${database} template ${template}`)
  const pool = new pg.Pool({ ...connection, database, application_name: 'bench' })
  pool.on('error', () => {})
  const { host, port, user, password } = connection
  let dropped: Promise<void> | undefined
  return {
    url: `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`,
    pool,
    async tidy() {
      await pool.query('vacuum analyze')
      await pool.query('checkpoint')
    },
    drop: () =>
      (dropped ??= pool
        .end()
        .then(() => onServer(connection, `drop database ${database} with (force)`))),
  }
}

async function onServer(connection: Connection, statement: string): Promise<void> {
  const client = new pg.Client({ ...connection, database: 'postgres' })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
