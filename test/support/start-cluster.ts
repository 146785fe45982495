import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openDatabase } from '#database/open-database.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'

import type { TestDatabase } from './test-database.ts'

export type Cluster = TestDatabase & {
  /** Holds the server's data; removed by `close`. */
  folder: string
  /** Stops the server and leaves its data. */
  stopServer(): Promise<void>
  /** Starts it again, on the same port. */
  startServer(): Promise<void>
}

/** A folder that a server's own user can reach. */
export async function clusterFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-cluster-'))
  await chmod(folder, 0o755)
  return folder
}

/** A PostgreSQL server of the test's own with an empty database, or with the data that lies in `folder` already. */
export async function startCluster(
  folder?: string,
  settings: Record<string, string> = { fsync: 'off' },
): Promise<Cluster> {
  const place = folder ?? (await clusterFolder())
  const dataDirectory = join(place, 'postgres')
  let server = await startEmbeddedPostgres({ dataDirectory, settings })
  const { host, port, user, password } = server.connection
  const connection = { host, port, user, password, database: 'orderwheel' }
  const database = openDatabase({
    connection,
    applicationName: 'orderwheel-test',
    maxConnections: 20,
    onConnectionLost: () => {},
  })
  return {
    ...database,
    connection,
    folder: place,
    stopServer: () => server.stop(),
    async startServer() {
      server = await startEmbeddedPostgres({ dataDirectory, settings, port })
    },
    async close() {
      await database.close()
      await server.stop()
      await rm(place, { recursive: true })
    },
  }
}
