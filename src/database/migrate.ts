import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import pg from 'pg'

import { OrderwheelError } from '#base/errors.ts'
import type { Log } from '#base/log.ts'

import { isThroughPooler } from './set-up-connection.ts'

export type Migration = { name: string; sql: string; checksum: string }

export type MigrateOptions = {
  /** Default: those of this build. */
  migrations?: Migration[]
  /** How long another process that migrates is waited for. Default 600. */
  waitSeconds?: number
  /** How long a migration tries to get its locks, in short attempts. Default 120. */
  lockSeconds?: number
}

/** What is in the migrations folder, in the order it is applied. */
export async function readMigrations(folder: string = migrationsFolder): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}-.+\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(`${folder}/${name}`, 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url))

/**
 * Brings schema `orderwheel` to the version this build needs, each migration in a transaction of its own.
 * Safe to run from several machines at once. Answers the names applied, none when it was up to date.
 * Throws `database` when the server is older than 18 or behind a pooler, an applied migration has been changed, a
 * table's lock cannot be had in time (run it again: what was applied stays), or another process migrates for
 * too long.
 */
export async function migrateDatabase(
  connection: pg.ClientConfig,
  log: Log,
  { migrations, waitSeconds = 600, lockSeconds = 120 }: MigrateOptions = {},
): Promise<string[]> {
  const client = new pg.Client({ ...connection, application_name: 'orderwheel-migrate' })
  // The statement in flight fails too, and says it better.
  client.on('error', () => {})
  await client.connect()
  try {
    await refusePooler(client)
    await refuseOldServer(client)
    // The role may have a limit for our other processes; an index takes as long as it takes.
    await client.query('set statement_timeout = 0')
    await lock(client, log, waitSeconds)
    await createBookkeeping(client)
    const all = migrations ?? (await readMigrations())
    return await applyPending(client, all, { log, lockSeconds })
  } finally {
    // Also gives back the lock.
    await client.end()
  }
}

/** Its sessions are shared: a lock taken in one could never be given back, and keeps nobody out. */
async function refusePooler(client: pg.Client): Promise<void> {
  if (!(await isThroughPooler(client))) return
  throw new OrderwheelError(
    'database',
    'Migrations need the server itself, and this connection goes through a pooler such as PgBouncer: set DIRECT_DATABASE_URL to the server and run "orderwheel migrate" again.',
  )
}

async function refuseOldServer(client: pg.Client): Promise<void> {
  const found = await client.query<{ server_version: string }>('show server_version')
  const version = found.rows[0]?.server_version ?? ''
  if (Number.parseInt(version, 10) >= 18) return
  throw new OrderwheelError(
    'database',
    `This server is PostgreSQL ${version}, and Orderwheel needs 18 or newer (for uuidv7): upgrade it, or point DATABASE_URL to another one.`,
  )
}

/**
 * Two machines that migrate at the same time would both see the same migration pending. Held by the
 * session, across the transactions, and polled rather than waited for: a waiting statement holds a
 * snapshot, which `create index concurrently` in a later migration would wait for in turn.
 */
async function lock(client: pg.Client, log: Log, waitSeconds: number): Promise<void> {
  const until = Date.now() + waitSeconds * 1_000
  let holder: string | undefined
  for (;;) {
    const tried = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(hashtext('orderwheel'), hashtext('migrate')) as locked`,
    )
    if (tried.rows[0]?.locked) return
    if (holder === undefined) {
      holder = await findHolder(client)
      log.warn({ reason: holder }, 'another process migrates this database, waiting')
    }
    // Longer than an index on a large table takes; a process that is frozen never gives the lock back.
    if (Date.now() > until)
      throw new OrderwheelError(
        'database',
        `Another process has been migrating this database for ${waitSeconds} s: ${await findHolder(client)}. See what it does in pg_stat_activity; if it is not a migration any more, end it with pg_terminate_backend and run "orderwheel migrate" again.`,
      )
    await client.query('select pg_sleep(0.1)')
  }
}

/** Who holds the lock, for a DBA to find. */
async function findHolder(client: pg.Client): Promise<string> {
  const found = await client.query<{ holder: string }>(
    `select format('pid %s (%s) of %s', l.pid, a.application_name, coalesce(host(a.client_addr), 'this host')) as holder
       from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.granted
        and l.database = (select oid from pg_database where datname = current_database())
        and l.classid = hashtext('orderwheel')::oid and l.objid = hashtext('migrate')::oid`,
  )
  return found.rows[0]?.holder ?? 'it has just ended'
}

/** Looks first: once it is there, migrating needs no right to create schemas. */
async function createBookkeeping(client: pg.Client): Promise<void> {
  const found = await client.query<{ found: string | null }>(
    `select to_regclass('orderwheel.schema_migrations') as found`,
  )
  if (found.rows[0]?.found) return
  await client.query(bookkeeping)
}

const bookkeeping = `
  create schema if not exists orderwheel;
  comment on schema orderwheel is 'Orders, what happened to them, and who was told. See orderwheel.order_timeline for one order''s story.';
  create table orderwheel.schema_migrations (
    name       text        primary key check (length(name) <= 200),
    checksum   text        not null check (length(checksum) = 64),
    applied_at timestamptz not null default now()
  );
  comment on table  orderwheel.schema_migrations is 'The migrations this database has seen: orderwheel migrate --status.';
  comment on column orderwheel.schema_migrations.name is 'The file in migrations/.';
  comment on column orderwheel.schema_migrations.checksum is 'SHA-256 of the file as it was applied. Applied files are never changed.';
  comment on column orderwheel.schema_migrations.applied_at is 'When it was applied.';
`

async function applyPending(
  client: pg.Client,
  migrations: Migration[],
  { log, lockSeconds }: { log: Log; lockSeconds: number },
): Promise<string[]> {
  const rows = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from orderwheel.schema_migrations',
  )
  const applied = new Map(rows.rows.map((row) => [row.name, row.checksum]))
  refuseChanged(migrations, applied)
  const pending = migrations.filter(({ name }) => !applied.has(name))
  for (const migration of pending) {
    await applyPatiently(client, migration, lockSeconds)
    log.info({ migration: migration.name }, 'migration applied')
  }
  return pending.map(({ name }) => name)
}

function refuseChanged(migrations: Migration[], applied: Map<string, string>): void {
  const changed = migrations.find(
    ({ name, checksum }) => applied.has(name) && applied.get(name) !== checksum,
  )
  if (!changed) return
  throw new OrderwheelError(
    'database',
    `Migration ${changed.name} is not the file that was applied to this database: restore it, and put the change into a new migration.`,
  )
}

// Whoever waits for a table's lock holds up all who come after it, orders among them: each wait is short, and
// between two everybody else gets through.
const lockTimeoutMs = 700
const betweenLocksMs = 1_000
// PostgreSQL ends an autovacuum that somebody has waited for for a second (deadlock_timeout).
const autovacuumTimeoutMs = 1_200

async function applyPatiently(
  client: pg.Client,
  migration: Migration,
  lockSeconds: number,
): Promise<void> {
  const until = performance.now() + lockSeconds * 1_000
  for (;;) {
    try {
      return await apply(client, migration)
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw explain(migration, error)
      await setTimeout(betweenLocksMs)
    }
  }
}

/** Somebody has the table locked, or wanted our lock and another one in the other order. */
function isBusy(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '55P03' || error.code === '40P01')
}

const sayLockTimeout = `
  select set_config('lock_timeout', case when exists (
    select from pg_locks l join pg_stat_activity a using (pid) join pg_class c on c.oid = l.relation
     where a.backend_type = 'autovacuum worker' and a.datname = current_database()
       and c.relnamespace = to_regnamespace('orderwheel'))
    then '${autovacuumTimeoutMs}ms' else '${lockTimeoutMs}ms' end, true)`

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('begin')
    await client.query(sayLockTimeout)
    await client.query(sql)
    await client.query(
      'insert into orderwheel.schema_migrations (name, checksum) values ($1, $2)',
      [name, checksum],
    )
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

function explain({ name }: Migration, error: unknown): OrderwheelError {
  const reason = error instanceof Error ? error.message : String(error)
  return new OrderwheelError(
    'database',
    `Migration ${name} failed and left nothing behind: ${reason}. Run "orderwheel migrate" again when that is mended.`,
    { cause: error },
  )
}
