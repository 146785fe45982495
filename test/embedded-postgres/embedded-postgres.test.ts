import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'

import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'

import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '#embedded-postgres/embedded-postgres.ts'
import { explainFileErrors } from '#embedded-postgres/explain-file-errors.ts'
import { isAlive, serverAccount } from '#embedded-postgres/server-account.ts'

import { eventually } from '../support/eventually.ts'

const quick = { fsync: 'off', max_connections: '20' }
let folder: string
let dataDirectory: string
let started: EmbeddedPostgres[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orderwheel-embedded-'))
  await chmod(folder, 0o755)
  dataDirectory = join(folder, 'postgres')
  started = []
})
afterEach(async () => {
  await Promise.all(started.map((server) => server.stop()))
  await rm(folder, { recursive: true, force: true })
})

test('what was written is found again by the next start, at the same address', async () => {
  const first = await start()
  await ask(first, 'create table kept as select 42 as answer')
  await first.stop()
  await first.stop()

  const second = await start()

  expect(await ask(second, 'select answer from kept')).toEqual([{ answer: 42 }])
  expect(second.connectionString).toBe(first.connectionString)
})

test('a second start of the same data is refused with what to do, and the first goes on', async () => {
  const first = await start('at http://127.0.0.1:1234')

  await expect(start()).rejects.toThrow(
    `Orderwheel is already running (process ${process.pid} at http://127.0.0.1:1234): stop it`,
  )

  expect(await ask(first, 'select 1 as one')).toEqual([{ one: 1 }])
})

test('of several starts at the same moment one gets the data', async () => {
  const starts = await Promise.allSettled([start(), start(), start()])

  expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const refused = starts.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  const alreadyRunning = expect.objectContaining({ code: 'already-running' })
  expect(refused).toEqual([alreadyRunning, alreadyRunning])
})

test('the server that a killed run left behind is replaced, and what it had committed is there', async () => {
  const pid = await startAndEnd("process.kill(process.pid, 'SIGKILL')")
  expect(isAlive(pid)).toBe(true)

  const server = await start()

  expect(await ask(server, 'select answer from kept')).toEqual([{ answer: 42 }])
  await eventually(() => !isAlive(pid))
})

test('a run that ends without stopping its server leaves none behind, and what it had committed is there', async () => {
  const pid = await startAndEnd('process.exit(130)')

  await eventually(() => !isAlive(pid))
  expect(await ask(await start(), 'select answer from kept')).toEqual([{ answer: 42 }])
})

test('a stale pid file that names another program now does not keep the server from starting', async () => {
  await (await start()).stop()
  const file = join(dataDirectory, 'pgdata', 'postmaster.pid')
  // Of the server's user: PostgreSQL itself sees through a stale pid that is somebody else's.
  const other = spawn('sleep', ['60'], { ...serverAccount(), cwd: '/' })
  await writeFile(file, `${other.pid}\n${dataDirectory}/pgdata\n1\n5432\n\n127.0.0.1\n`)
  try {
    const server = await start()

    expect(await ask(server, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(other.exitCode ?? other.signalCode).toBeNull()
  } finally {
    other.kill()
  }
})

test('only this machine reaches the server, and only with its password', async () => {
  const server = await start()

  expect(await ask(server, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }])
  expect(await ask(server, 'show unix_socket_directories')).toEqual([
    { unix_socket_directories: '' },
  ])
  const intruder = new pg.Client({ ...server.connection, password: 'guessed' })
  await expect(intruder.connect()).rejects.toThrow('password authentication failed')
  expect((await stat(join(dataDirectory, 'password'))).mode & 0o777).toBe(0o600)
})

test('a server that ends by itself is noticed', async () => {
  const server = await start()
  const [pid] = (await readFile(join(dataDirectory, 'pgdata', 'postmaster.pid'), 'utf8')).split(
    '\n',
  )

  process.kill(Number(pid), 'SIGINT')

  expect(await server.ended).toContain('database system is shut down')
})

test.runIf(process.getuid?.() === 0)(
  'root in a folder that nobody else may enter is told where the data is kept',
  async () => {
    await chmod(folder, 0o700)

    const server = await start()

    const place = / is kept in (\S+) instead of /.exec(server.note ?? '')?.[1] ?? ''
    expect(await ask(server, 'show data_directory')).toEqual([
      { data_directory: `${place}/pgdata` },
    ])
    await server.stop()
    await rm(place, { recursive: true })
    expect((await stat(dirname(place))).mode & 0o777).toBe(0o711)
  },
)

test.runIf(process.getuid?.() === 0)(
  'root leaves nothing where the data is not kept, so that its owner can start there later',
  async () => {
    await chmod(folder, 0o700)
    dataDirectory = join(folder, '.orderwheel', 'postgres')

    const server = await start()

    expect(await readdir(folder)).toEqual([])
    await server.stop()
    await rm(/ is kept in (\S+) instead of /.exec(server.note ?? '')?.[1] ?? '', {
      recursive: true,
    })
  },
)

test.runIf(process.getuid?.() === 0)(
  'root with a umask of 077 starts in a folder that others may enter',
  async () => {
    dataDirectory = join(folder, 'some', 'where', 'postgres')
    const umask = process.umask(0o077)
    const server = await start().finally(() => process.umask(umask))

    expect(server.note).toBeUndefined()
    expect(await ask(server, 'select 1 as one')).toEqual([{ one: 1 }])
  },
)

test('a data directory that a file is in the way of is a sentence that says what to do', async () => {
  await writeFile(join(folder, 'file'), '')
  for (const wanted of [join('file', 'postgres'), join('file', 'below', 'postgres'), 'file']) {
    dataDirectory = join(folder, wanted)
    await expect(start()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(
        /cannot be kept in .*: a file is where a folder is needed.* Set ORDERWHEEL_DATA_DIR to a folder/,
      ) as string,
    })
  }
})

test.runIf(process.getuid?.() !== 0)(
  'a data directory this user may not make is a sentence that says what to do',
  async () => {
    await chmod(folder, 0o555)
    dataDirectory = join(folder, 'data', 'postgres')

    await expect(start()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/this user may not write .*data .* Set ORDERWHEEL_DATA_DIR /),
    })
  },
)

test.each([
  ['EACCES', 'this user may not write /srv/data'],
  ['EROFS', 'on a disk that is read-only'],
  ['ENOSPC', 'no space left'],
])('a disk that answers %s is a sentence', async (code, reason) => {
  const error = Object.assign(new Error(code), { code, path: '/srv/data', syscall: 'mkdir' })

  await expect(explainFileErrors('/srv/data', () => Promise.reject(error))).rejects.toThrow(reason)
})

async function start(owner?: string): Promise<EmbeddedPostgres> {
  const options = { dataDirectory, settings: quick, ...(owner ? { owner } : {}) }
  const server = await startEmbeddedPostgres(options)
  started.push(server)
  return server
}

async function ask(server: EmbeddedPostgres, query: string): Promise<unknown[]> {
  const client = new pg.Client(server.connection)
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}

/** Answers the pid of the server of a run that ended this way. */
async function startAndEnd(end: string): Promise<number> {
  const program = `
    import { readFile } from 'node:fs/promises'
    import pg from 'pg'
    import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
    const server = await startEmbeddedPostgres(${JSON.stringify({ dataDirectory })})
    const client = new pg.Client(server.connection)
    await client.connect()
    await client.query('create table kept as select 42 as answer')
    console.log(await readFile(${JSON.stringify(join(dataDirectory, 'pgdata', 'postmaster.pid'))}, 'utf8'))
    ${end}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return Number(said.split('\n')[0])
}
