import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'

import { setUpConnection } from './set-up-connection.ts'
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
  /** Milliseconds until the server cancels a statement (57014). Default 30 000; 0: never. */
  statementTimeoutMs?: number
  /** Milliseconds until the server ends a session that holds an idle transaction (25P03). Default 15 000. */
  idleInTransactionTimeoutMs?: number
  /** Milliseconds until the server refuses a statement that waits for a lock (55P03). Default: as long as the statement may take. */
  lockTimeoutMs?: number
}

/**
 * Opens a pool; connects on first use. A lost server is survived: the statement in flight fails, the
 * next one reconnects. A connection that cannot be had within 5 s fails the statement that waits for it.
 * Through a transaction pooler the server's limits do not apply: there they are the role's to set.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const statementMs = options.statementTimeoutMs ?? 30_000
  const limits = serverLimits(options, statementMs)
  const pool = new pg.Pool({
    ...options.connection,
    application_name: options.applicationName,
    max: options.maxConnections,
    // Long enough for a failover's new primary to answer, short enough that a caller gets an error.
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    // A host that is gone without a word is noticed between statements: firewalls forget after minutes.
    keepAliveInitialDelayMillis: 10_000,
    // The server's answer says more than ours, so it gets a sixth longer (35 s) to arrive: ours is for a
    // server that is gone without a word.
    query_timeout: Math.ceil((statementMs * 7) / 6),
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, its types do not say so
    onConnect: (client) => setUpConnection(client, limits),
  })
  // A client that breaks while a transaction has it is listened to by nobody else, and an error event
  // without a listener ends the process. The statement in flight, or the next one, rejects as well.
  pool.on('connect', (client) => client.on('error', options.onConnectionLost))
  // Said already: the pool repeats its idle clients' errors.
  pool.on('error', () => {})
  pool.on('release', endAbandoned)
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

/**
 * A process that is frozen, or cut off with its connections standing, would keep the rows it locked until
 * somebody notices. Our transactions last tens of milliseconds, so 15 s of doing nothing inside one is no
 * pause for garbage; our slowest statement is far below 30 s, even on a server that has to read from disk.
 */
function serverLimits(options: DatabaseOptions, statementMs: number): Record<string, string> {
  return {
    // 0 as well: the role may have a limit of its own.
    statement_timeout: `${statementMs}`,
    idle_in_transaction_session_timeout: `${options.idleInTransactionTimeoutMs ?? 15_000}`,
    ...(options.lockTimeoutMs === undefined ? {} : { lock_timeout: `${options.lockTimeoutMs}` }),
  }
}

/**
 * A statement given up on (query_timeout) still occupies its connection: the next one would wait behind it,
 * for minutes when the server is gone. node-postgres has no public word for this state.
 */
function endAbandoned(_error: Error | undefined, client: pg.PoolClient): void {
  const busy = '_activeQuery' in client && client._activeQuery
  // It is broken or about to be; the pool drops what is ending.
  if (busy) client.end().catch(() => {})
}
