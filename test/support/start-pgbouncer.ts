import { spawn, spawnSync } from 'node:child_process'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freePort } from '#embedded-postgres/free-port.ts'
import { serverAccount } from '#embedded-postgres/server-account.ts'

import { eventually } from './eventually.ts'

/** A PgBouncer of this machine and its version; undefined when none is installed. */
export function findPgBouncer(): { program: string; version: number } | undefined {
  for (const program of ['pgbouncer', '/usr/sbin/pgbouncer']) {
    const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
    const [, major, minor] = /^PgBouncer (\d+)\.(\d+)/.exec(stdout ?? '') ?? []
    if (major) return { program, version: Number(major) + Number(minor) / 100 }
  }
  return undefined
}

/** From this version on PgBouncer can keep track of prepared statements. */
export const tracksStatements = 1.21

export type PgBouncerOptions = {
  /** The server behind it, any of its databases. */
  server: { host: string; port: number; user: string; password: string }
  /** Sessions it may open on the server; fewer than its clients, so that they have to share. */
  poolSize: number
  /** Only for versions from `tracksStatements` on; left at their default when absent. */
  maxPreparedStatements?: number
}

/**
 * Starts a PgBouncer in transaction mode on a free port of 127.0.0.1, as an unprivileged user when we are root.
 * `restart()` takes its clients' connections away without a word and listens on the same port again.
 */
export async function startPgBouncer(options: PgBouncerOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-pgbouncer-'))
  const port = await freePort()
  const configuration = await writeConfiguration(folder, port, options)
  let running = await launch(configuration, port)
  return {
    host: '127.0.0.1',
    port,
    async restart() {
      await running.kill()
      running = await launch(configuration, port)
    },
    async stop() {
      await running.kill()
      await rm(folder, { recursive: true })
    },
  }
}

async function writeConfiguration(
  folder: string,
  port: number,
  { server, poolSize, maxPreparedStatements }: PgBouncerOptions,
): Promise<string> {
  const userlist = join(folder, 'userlist.txt')
  const configuration = join(folder, 'pgbouncer.ini')
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: userlist,
    pool_mode: 'transaction',
    default_pool_size: poolSize,
    ...(maxPreparedStatements === undefined
      ? {}
      : { max_prepared_statements: maxPreparedStatements }),
  }
  await writeFile(userlist, `"${server.user}" "${server.password}"\n`, { mode: 0o600 })
  await writeFile(
    configuration,
    [
      `[databases]`,
      `* = host=${server.host} port=${server.port}`,
      `[pgbouncer]`,
      ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
    ].join('\n'),
  )
  const { uid, gid } = serverAccount()
  if (uid !== undefined && gid !== undefined)
    for (const path of [folder, userlist, configuration]) await chown(path, uid, gid)
  return configuration
}

async function launch(configuration: string, port: number) {
  const child = spawn(findPgBouncer()?.program ?? 'pgbouncer', [configuration], {
    ...serverAccount(),
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${output}`)
    return accepts(port)
  })
  return {
    async kill() {
      process.off('exit', kill)
      kill()
      await ended
    },
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
