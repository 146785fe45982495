import { spawnSync } from 'node:child_process'
import { readFile, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

import pg from 'pg'

import { OrderwheelError } from '#base/errors.ts'

import { superuser } from './prepare-data.ts'
import { isAlive } from './server-account.ts'

/** Begins the `application_name` of the connection that every start holds for as long as it lives. */
export const ownerPrefix = 'orderwheel-owner'

type Leftover = {
  pid: number
  port: number
  data: string
  password: string
  /** Unix time. */
  startedAt: number
}

/**
 * Stops the server that a killed previous run left behind. Throws `already-running` when the run that
 * started it is alive: its connection, which dies with it, is what tells them apart.
 */
export async function stopLeftover(dataDirectory: string): Promise<void> {
  const leftover = await findLeftover(dataDirectory)
  if (!leftover) return
  const owner = await findOwner(leftover)
  if (owner) throw alreadyRunning(owner)
  await endServer(leftover)
}

async function endServer({ pid, data }: Leftover): Promise<void> {
  signal(pid, 'SIGINT')
  const quit = AbortSignal.timeout(10_000)
  // Not whether it is alive: where nobody reaps orphans it stays as a zombie.
  while (await isServerOf(pid, data)) {
    if (quit.aborted) signal(pid, 'SIGQUIT')
    await setTimeout(quit.aborted ? 1_000 : 50)
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    // It ended by itself a moment ago.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

async function findLeftover(dataDirectory: string): Promise<Leftover | undefined> {
  const data = join(dataDirectory, 'pgdata')
  const file = join(data, 'postmaster.pid')
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid)) return undefined
  if (!(await isServerOf(pid, data))) {
    // The number was given to another program since, which PostgreSQL would take for a server.
    await rm(file, { force: true })
    return undefined
  }
  const password = await readFile(join(dataDirectory, 'password'), 'utf8')
  return { pid, port: Number(lines[3]), data, password, startedAt: Number(lines[2]) }
}

async function isServerOf(pid: number, data: string): Promise<boolean> {
  if (process.platform === 'linux') {
    // A server's working directory is its data. In a container root may not look, but may see how it was started.
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
    if (folder !== undefined) return folder === data
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(data)
  }
  const ps = spawnSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
  return ps.stdout.includes(data)
}

/**
 * The owner's connection, which it opens as soon as the server answers: that of a young server may be
 * still to come, so it is waited for a little.
 */
async function findOwner(leftover: Leftover): Promise<string | undefined> {
  const isYoung = Date.now() / 1_000 - leftover.startedAt < 10
  // A server in crash recovery does not answer; it loses nothing when it is stopped.
  let deadline = AbortSignal.timeout(10_000)
  let answered = false
  for (;;) {
    const answer = await askForOwner(leftover).catch(() => undefined)
    if (answer?.owner) return answer.owner
    if (answer && !answered) deadline = AbortSignal.timeout(2_000)
    answered ||= answer !== undefined
    if (deadline.aborted || (answered && !isYoung)) return undefined
    await setTimeout(100)
  }
}

async function askForOwner(leftover: Leftover): Promise<{ owner: string | undefined }> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: leftover.port,
    user: superuser,
    password: leftover.password,
    database: 'postgres',
    connectionTimeoutMillis: 1_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const found = await client.query<{ application_name: string }>(
      'select application_name from pg_stat_activity where starts_with(application_name, $1)',
      [`${ownerPrefix} `],
    )
    return { owner: found.rows[0]?.application_name.slice(ownerPrefix.length + 1) }
  } finally {
    await client.end().catch(() => {})
  }
}

export function alreadyRunning(owner: string): OrderwheelError {
  return new OrderwheelError(
    'already-running',
    `Orderwheel is already running (${owner}): stop it with Ctrl-C in its terminal or by killing that process, or set ORDERWHEEL_DATA_DIR to another folder and PORT to another port.`,
  )
}
