import { spawn, spawnSync } from 'node:child_process'
import { chown, cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { serverAccount } from '#embedded-postgres/server-account.ts'
import { declareQueues, type QueueOptions } from '#queues/declare-queues.ts'
import { installPgBoss, openBoss } from '#queues/open-boss.ts'

import { clusterFolder, startCluster, type Cluster } from './start-cluster.ts'
import { connectionString } from './start-process.ts'

/** Why this machine cannot dump the test's server; undefined: it can. No npm package has a pg_dump of version 18. */
export function whyNoPgDump(): string | undefined {
  for (const program of ['pg_dump', 'psql']) {
    const version = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''
    const major = Number(/(\d+)\.\d+/.exec(version)?.[1] ?? 0)
    if (major < 18)
      return `needs ${program} 18 or later, found ${version === '' ? 'none' : version}`
  }
  return undefined
}

/** What a DBA does: roles by hand, then pg_dump into a new cluster. */
export async function dumpAndRestore(original: Cluster): Promise<Cluster> {
  const copy = await startCluster()
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-dump-'))
  const file = join(folder, 'shop.sql')
  const from = `--dbname=${connectionString(original.connection)}`
  const to = `--dbname=${connectionString(copy.connection)}`
  await run('pg_dump', ['--no-owner', `--file=${file}`, from])
  await run('psql', ['--quiet', '--command=create role orderwheel_reader nologin', to])
  await run('psql', ['--quiet', '--set=ON_ERROR_STOP=1', `--file=${file}`, to])
  await rm(folder, { recursive: true })
  return copy
}

/** What a dump does with rows, into a database that was migrated anew: for machines without a pg_dump. */
export async function copyRows(
  original: Cluster,
  queues: readonly QueueOptions[],
): Promise<Cluster> {
  const copy = await startCluster()
  await migrateDatabase(copy.connection, createLog('test', 'silent'))
  await installPgBoss(copy.pool)
  const boss = await openBoss({
    pool: copy.pool,
    supervise: false,
    name: 'test',
    log: createLog('test', 'silent'),
  })
  await declareQueues(boss, queues)
  await boss.stop()
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-rows-'))
  const { uid, gid } = serverAccount()
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
  await copyTables(original, copy, folder)
  await rm(folder, { recursive: true })
  return copy
}

async function copyTables(original: Cluster, copy: Cluster, folder: string): Promise<void> {
  const from = await connect(original)
  const to = await connect(copy)
  // One moment for every table, as a dump has it.
  await from.query('begin isolation level repeatable read')
  await to.query(`set session_replication_role = replica`)
  const { rows: tables } = await from.query<{ name: string; columns: string }>(tablesToCopy)
  await to.query(`truncate ${tables.map(({ name }) => name).join(', ')}`)
  for (const [at, { name, columns }] of tables.entries()) {
    const file = join(folder, `${at}`)
    await from.query(`copy (select ${columns} from ${name}) to '${file}'`)
    await to.query(`copy ${name} (${columns}) from '${file}'`)
  }
  const { rows: sequences } = await from.query<{ name: string; last: string }>(sequencesToSet)
  for (const { name, last } of sequences)
    await to.query('select setval($1::regclass, $2)', [name, last])
  await Promise.all([from.end(), to.end()])
}

// Roots only: a partition's rows come with its table.
const tablesToCopy = `
  select format('%I.%I', n.nspname, c.relname) as name,
         string_agg(format('%I', a.attname), ', ' order by a.attnum) as columns
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
   where n.nspname in ('orderwheel', 'pgboss') and c.relkind in ('r', 'p') and not c.relispartition
   group by n.nspname, c.relname
   order by 1`
const sequencesToSet = `
  select format('%I.%I', schemaname, sequencename) as name, last_value as last
    from pg_sequences where schemaname in ('orderwheel', 'pgboss') and last_value is not null`

/** Copies the files of a server that is stopped for it. */
export async function copyStopped(original: Cluster): Promise<Cluster> {
  await original.stopServer()
  const folder = await copyFiles(original)
  await original.startServer()
  return startCluster(folder)
}

/** A base backup: copies the files of a server that goes on. */
export async function copyRunning(original: Cluster): Promise<Cluster> {
  const backup = await connect(original)
  await backup.query(`select pg_backup_start('orderwheel', true)`)
  const folder = await copyFiles(original)
  const { rows } = await backup.query<{ labelfile: string }>('select * from pg_backup_stop(false)')
  await backup.end()
  const data = join(folder, 'postgres', 'pgdata')
  // What was written until the backup ended is in the write-ahead log, of which the archive has the last piece.
  await rm(join(data, 'pg_wal'), { recursive: true })
  await copyFolder(join(original.folder, 'postgres', 'pgdata', 'pg_wal'), join(data, 'pg_wal'))
  const label = join(data, 'backup_label')
  await writeFile(label, rows[0]?.labelfile ?? '')
  const { uid, gid } = serverAccount()
  if (uid !== undefined && gid !== undefined) await chown(label, uid, gid)
  return startCluster(folder)
}

async function copyFiles(original: Cluster): Promise<string> {
  const folder = await clusterFolder()
  await copyFolder(join(original.folder, 'postgres'), join(folder, 'postgres'))
  await rm(join(folder, 'postgres', 'pgdata', 'postmaster.pid'), { force: true })
  return folder
}

/** With owners and modes. A file that goes away meanwhile is no mistake: the write-ahead log knows. */
async function copyFolder(from: string, to: string): Promise<void> {
  const { status } = spawnSync('cp', ['--archive', from, to])
  if (status !== 0) await cp(from, to, { recursive: true, force: false })
}

async function connect({ connection }: Cluster): Promise<pg.Client> {
  const client = new pg.Client(connection)
  await client.connect()
  return client
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`${program} exited with ${String(code)}: ${complaints}`)
}
