import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'

import type { Tables } from './tables.ts'

/** Outside any transaction. A function that takes a `Tx` instead writes beside a business fact. */
export type Db = Kysely<Tables>
export type Tx = Transaction<Tables>

export type Database = {
  db: Db
  /** The same connections, for the few hot statements that bypass Kysely. */
  pool: pg.Pool
  close(): Promise<void>
}

export type DatabaseOptions = {
  connection: pg.ClientConfig
  /** Shown in `pg_stat_activity`, so that a DBA sees which process asks: `orderwheel-worker`. */
  applicationName: string
  /** Connections this process may hold at most. */
  maxConnections: number
  /** Called for each connection that breaks; the pool replaces it by itself. */
  onConnectionLost: (error: Error) => void
}

/**
 * Opens a pool; connects on first use. A lost server is survived: the statement in flight fails, the
 * next one reconnects. A connection that cannot be had within 5 s fails the statement that waits for it.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    ...options.connection,
    application_name: options.applicationName,
    max: options.maxConnections,
    // Long enough for a failover's new primary to answer, short enough that a caller gets an error.
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  })
  // A client that breaks while a transaction has it is listened to by nobody else, and an error event
  // without a listener ends the process. The statement in flight, or the next one, rejects as well.
  pool.on('connect', (client) => client.on('error', options.onConnectionLost))
  // Said already: the pool repeats its idle clients' errors.
  pool.on('error', () => {})
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  return {
    db,
    pool,
    async close() {
      // Kysely ends the pool only if it was used.
      await db.destroy()
      if (!pool.ending) await pool.end()
    },
  }
}
