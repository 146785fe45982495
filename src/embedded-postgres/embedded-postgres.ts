import { setTimeout } from 'node:timers/promises'

import pg from 'pg'

import { OrderwheelError } from '#base/errors.ts'
import type { Log } from '#base/log.ts'

import { explainFileErrors } from './explain-file-errors.ts'
import { findBinaries } from './find-binaries.ts'
import { placeServer } from './place-server.ts'
import { prepareData, superuser } from './prepare-data.ts'
import { freePort, lastPort } from './free-port.ts'
import { serverAccount } from './server-account.ts'
import { spawnServer, type ServerProcess } from './spawn-server.ts'
import { alreadyRunning, ownerPrefix, stopLeftover } from './stop-leftover.ts'

export type EmbeddedPostgresOptions = {
  /** Created when absent, found again by the next start. Its parent folder must be writable. */
  dataDirectory: string
  /** Default: the one of last time when it is free, else any free one. */
  port?: number
  /** Shown to a second start of the same data, for example `at http://127.0.0.1:8080`. At most 30 characters. */
  owner?: string
  /** Added to the server's defaults, which are durable. */
  settings?: Record<string, string>
  log?: Log
}

export type EmbeddedPostgres = {
  connection: pg.ClientConfig & { host: string; port: number; user: string; password: string }
  connectionString: string
  port: number
  /** A sentence for the person who started it, when there is something unusual to say. */
  note?: string
  /** Resolves when the server has ended, asked or not, with what it last wrote. */
  ended: Promise<string>
  /** Fast shutdown: open transactions are rolled back. May be called twice. */
  stop(): Promise<void>
}

/**
 * Starts a real PostgreSQL 18 from npm, listening on 127.0.0.1 only, with an empty database `orderwheel`
 * the first time. Takes about a second the first time, a quarter of that later.
 * Throws `already-running` when a live process has started this data, `config` when it cannot run here
 * or its data cannot be kept where it is to be.
 */
export function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  return explainFileErrors(options.dataDirectory, () => startServer(options))
}

async function startServer(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = serverAccount()
  const place = await placeServer(account, await findBinaries(), options.dataDirectory)
  await stopLeftover(place.dataDirectory)
  const sync = options.settings?.['fsync'] !== 'off'
  const password = await prepareData(place, account, { sync })

  const start = async (port: number) => {
    const settings = { ...settingsFor(port), ...options.settings }
    const server = spawnServer({ place, account, settings })
    const connection = {
      host: '127.0.0.1',
      port,
      user: superuser,
      password,
      database: 'orderwheel',
    }
    const owner = await whenReady(server, connection, options.owner)
    return { server, connection, owner }
  }
  const { server, connection, owner } = options.port
    ? await start(options.port)
    : await withFreePort(place.dataDirectory, start)
  options.log?.info({ port: connection.port, data: place.dataDirectory }, 'PostgreSQL started')

  let stopping: Promise<void> | undefined
  return {
    connection,
    connectionString: `postgresql://${superuser}:${password}@127.0.0.1:${connection.port}/orderwheel`,
    port: connection.port,
    ...(place.note ? { note: place.note } : {}),
    ended: server.ended,
    stop: () =>
      (stopping ??= owner
        .end()
        .catch(() => {})
        .then(() => server.stop())),
  }
}

function settingsFor(port: number): Record<string, string> {
  return {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
  }
}

/** Somebody may take the port between our looking and the server's binding. */
async function withFreePort<T>(
  dataDirectory: string,
  start: (port: number) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      // The same again, so that a DBA's psql and a pasted DATABASE_URL survive a restart.
      const port = tries === 1 ? await freePort(await lastPort(dataDirectory)) : await freePort()
      return await start(port)
    } catch (error) {
      if (tries === 5 || !/Address already in use/i.test(String(error))) throw error
    }
  }
}

/** Answers the connection that says, for as long as this process lives, whose server this is. */
async function whenReady(
  server: ServerProcess,
  connection: pg.ClientConfig,
  owner = '',
): Promise<pg.Client> {
  const application_name = [ownerPrefix, `process ${process.pid}`, owner].join(' ').trim()
  let ended: string | undefined
  void server.ended.then((lastWords) => (ended = lastWords))
  // Crash recovery of a big database takes a while.
  const deadline = AbortSignal.timeout(120_000)
  for (;;) {
    const client = new pg.Client({ ...connection, database: 'postgres', application_name })
    client.on('error', () => {})
    try {
      await client.connect()
      await createDatabase(client)
      return client
    } catch (error) {
      await client.end().catch(() => {})
      if (ended !== undefined) throw didNotStart(ended)
      if (deadline.aborted) {
        await server.stop()
        throw new OrderwheelError(
          'database',
          'The embedded PostgreSQL did not start within 120 s.',
          {
            cause: error,
          },
        )
      }
      await setTimeout(25)
    }
  }
}

function didNotStart(lastWords: string): OrderwheelError {
  // Another start was faster by milliseconds.
  if (/lock file "postmaster.pid" already exists/.test(lastWords))
    return alreadyRunning('started a moment ago')
  return new OrderwheelError('database', `The embedded PostgreSQL did not start: ${lastWords}`)
}

async function createDatabase(client: pg.Client): Promise<void> {
  const found = await client.query(`select from pg_database where datname = 'orderwheel'`)
  if (found.rowCount === 0) await client.query('create database orderwheel')
}
