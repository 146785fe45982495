import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, open, readFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { OrderwheelError } from '#base/errors.ts'

import type { Place } from './place-server.ts'
import { isAlive, type Account } from './server-account.ts'

// Not orderwheel: a schema of the user's name is searched first, and would hide a missing prefix.
export const superuser = 'postgres'

/** Runs initdb the first time. Answers the superuser's password, which is kept beside the data with mode 600. */
export async function prepareData(
  place: Place,
  account: Account,
  options: { sync: boolean },
): Promise<string> {
  const passwordFile = join(place.dataDirectory, 'password')
  const data = join(place.dataDirectory, 'pgdata')
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version === undefined) await initialise(place, account, options)
  else if (version.trim() !== '18')
    throw new OrderwheelError(
      'database',
      `${data} was written by PostgreSQL ${version.trim()}, and this is 18: remove it to start empty, or set ORDERWHEEL_DATA_DIR to another folder.`,
    )
  return readFile(passwordFile, 'utf8')
}

/** In a folder of its own, renamed when complete: an interrupted initdb leaves nothing that looks like data. */
async function initialise(
  place: Place,
  account: Account,
  options: { sync: boolean },
): Promise<void> {
  await removeInterrupted(place.dataDirectory)
  const passwordFile = await writePassword(place.dataDirectory, account)
  const half = join(place.dataDirectory, `initdb-${process.pid}-${randomBytes(4).toString('hex')}`)
  await run(join(place.binaries, 'bin', 'initdb'), account, [
    `--pgdata=${half}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The same order of texts on every machine, whatever its locales.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
    ...(options.sync ? [] : ['--no-sync']),
  ])
  await rename(half, join(place.dataDirectory, 'pgdata')).catch((error: NodeJS.ErrnoException) => {
    // Another start was faster; its data counts, and its password file is the one both used.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    return rm(half, { recursive: true, force: true })
  })
}

async function removeInterrupted(dataDirectory: string): Promise<void> {
  for (const name of await readdir(dataDirectory)) {
    const pid = /^initdb-(\d+)-/.exec(name)?.[1]
    if (pid && !isAlive(Number(pid)))
      await rm(join(dataDirectory, name), { recursive: true, force: true })
  }
}

/** Keeps a password that is there already: the other of two starts at once may have used it. */
async function writePassword(dataDirectory: string, account: Account): Promise<string> {
  const file = join(dataDirectory, 'password')
  try {
    const handle = await open(file, 'wx', 0o600)
    await handle.writeFile(randomBytes(24).toString('base64url'))
    await handle.close()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  if (account.uid !== undefined && account.gid !== undefined)
    await chown(file, account.uid, account.gid)
  return file
}

async function run(program: string, account: Account, args: string[]): Promise<void> {
  const child = spawn(program, args, {
    ...account,
    cwd: '/',
    env: { LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code === 0) return
  throw new OrderwheelError(
    'database',
    `The embedded PostgreSQL could not create its data (initdb exited with ${code}): ${complaints.trim()}`,
  )
}
