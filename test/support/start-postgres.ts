import { chmod, lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'
import type { TestProject } from 'vitest/node'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
import { isAlive } from '#embedded-postgres/server-account.ts'
import { stopLeftover } from '#embedded-postgres/stop-leftover.ts'
import { installPgBoss } from '#queues/open-boss.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the server; its databases are made by `testDatabase`. */
    postgres: { host: string; port: number; user: string; password: string }
  }
}

export const templateDatabase = 'template_orderwheel'

/** One server for a whole run of vitest, without durability, and a migrated database to clone from. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned()
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`))
  // As root the server runs as another user, who has to get in here.
  await chmod(folder, 0o755)
  const server = await startEmbeddedPostgres({
    dataDirectory: join(folder, 'postgres'),
    settings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      max_connections: '200',
    },
  })
  const stop = async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const { host, port, user, password } = server.connection
    await createTemplate({ host, port, user, password })
    project.provide('postgres', { host, port, user, password })
  } catch (error) {
    await stop()
    throw error
  }
  return stop
}

const prefix = 'orderwheel-test-'

/** A killed run leaves its server and its folder, which carries the run's pid. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]
    if (!pid || isAlive(Number(pid))) continue
    // Another run may be removing it at this moment, or it may be another user's: no reason to fail.
    await remove(join(tmpdir(), name)).catch(() => {})
  }
}

async function remove(folder: string): Promise<void> {
  if ((await lstat(folder)).uid !== process.getuid?.()) return
  await stopLeftover(join(folder, 'postgres'))
  await rm(folder, { recursive: true, force: true })
}

async function createTemplate(server: pg.ClientConfig): Promise<void> {
  const client = new pg.Client({ ...server, database: 'orderwheel' })
  await client.connect()
  await client.query(`create database ${templateDatabase}`)
  await client.end()
  const connection = { ...server, database: templateDatabase }
  await migrateDatabase(connection, createLog('test', 'silent'))
  const pool = new pg.Pool(connection)
  await installPgBoss(pool)
  await pool.end()
}
