import { existsSync, statSync } from 'node:fs'
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rename,
  rm,
} from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

import { OrderwheelError } from '#base/errors.ts'

import type { Binaries } from './find-binaries.ts'
import { reachableFolder, shortHash } from './reachable-folder.ts'
import { canEnter, canRun, type Account } from './server-account.ts'

export type Place = {
  /** Holds bin, lib and share. */
  binaries: string
  /** Holds pgdata, the password and the log; belongs to the account. */
  dataDirectory: string
  /** Why the data is elsewhere than asked for, as a sentence. */
  note?: string
}

/**
 * Where the account can reach binaries and data: where they are, or, for root in a folder of mode 700,
 * copies below `/var/tmp`. Creates the data directory, and nothing where the data is not kept. Throws what
 * the file system says.
 */
export async function placeServer(
  account: Account,
  found: Binaries,
  wanted: string,
): Promise<Place> {
  const dataDirectory = await realPathOf(resolve(wanted))
  if (account.uid === undefined) {
    await makeDataDirectory(account, dataDirectory)
    return { binaries: found.folder, dataDirectory }
  }
  const binaries = canRun(account, join(found.folder, 'bin', 'postgres'))
    ? found.folder
    : await copyBinaries(account, found)
  if (canEnter(account, nearestFolder(dataDirectory))) {
    await makeDataDirectory(account, dataDirectory)
    return { binaries, dataDirectory }
  }
  const moved = join(await reachableFolder(account), `data-${shortHash(dataDirectory)}`)
  await makeDataDirectory(account, moved)
  return {
    binaries,
    dataDirectory: moved,
    note: `Running as root in a folder that PostgreSQL's own user cannot reach: the data is kept in ${moved} instead of ${dataDirectory}.`,
  }
}

/** Without symbolic links, so that a leftover server is recognised by its path; the folder itself may be one. */
async function realPathOf(folder: string): Promise<string> {
  const parent = dirname(folder)
  const real = existsSync(parent) ? await realpath(parent) : await realPathOf(parent)
  return join(real, basename(folder))
}

/** The folder above that is there already. */
function nearestFolder(folder: string): string {
  const parent = dirname(folder)
  const found = statSync(parent, { throwIfNoEntry: false })?.isDirectory()
  return found ? parent : nearestFolder(parent)
}

async function makeDataDirectory(account: Account, folder: string): Promise<void> {
  await makeParents(account, dirname(folder))
  await mkdir(folder, { mode: 0o700, recursive: true })
  const owner = (await lstat(folder)).uid
  const wanted = account.uid ?? process.getuid?.() ?? owner
  if (owner === wanted) return
  if (
    account.uid !== undefined &&
    account.gid !== undefined &&
    (await readdir(folder)).length === 0
  )
    return chown(folder, account.uid, account.gid)
  throw new OrderwheelError(
    'config',
    `The data in ${folder} belongs to another user (uid ${owner}; this server would run as uid ${wanted}): start as that user, or set ORDERWHEEL_DATA_DIR to another folder.`,
  )
}

async function makeParents(account: Account, folder: string): Promise<void> {
  if (existsSync(folder)) return
  await makeParents(account, dirname(folder))
  await mkdir(folder, { recursive: true })
  // Under a umask of 077, which goes with a home of mode 700.
  if (account.uid !== undefined && !canEnter(account, folder)) await chmod(folder, 0o711)
}

async function copyBinaries(account: Account, found: Binaries): Promise<string> {
  const folder = await reachableFolder(account)
  const copy = join(folder, `postgresql-${found.version}`)
  if (canRun(account, join(copy, 'bin', 'postgres'))) return copy
  // Copied beside and renamed, so that nobody runs half a copy and two starts at once do not mix.
  const half = await mkdtemp(join(folder, 'copying-'))
  await cp(found.folder, join(half, 'native'), { recursive: true, verbatimSymlinks: true })
  await openForReading(join(half, 'native'))
  await rename(join(half, 'native'), copy).catch((error: unknown) => {
    if (!canRun(account, join(copy, 'bin', 'postgres'))) throw error
  })
  await rm(half, { recursive: true, force: true })
  return copy
}

/** The copies stay root's: a server must not be able to replace its own program. */
async function openForReading(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isSymbolicLink()) continue
    const executable = entry.isDirectory() || ((await lstat(path)).mode & 0o100) !== 0
    await chmod(path, executable ? 0o755 : 0o644)
  }
}
