import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { OrderwheelError } from '#base/errors.ts'

import { checkout } from './find-binaries.ts'
import { canEnter, type Account } from './server-account.ts'

/**
 * A folder of ours, one per checkout, that the account may pass through and nobody else may write. Throws
 * `config` when somebody made it before us.
 */
export async function reachableFolder(account: Account, base = '/var/tmp'): Promise<string> {
  const owner = process.getuid?.() ?? 0
  const folder = join(base, `orderwheel-${owner}-${shortHash(checkout)}`)
  await mkdir(folder, { mode: 0o711 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  // The name can be guessed and anyone may create it first: then the server would run that person's program.
  const found = await lstat(folder)
  const ours = found.isDirectory() && found.uid === owner && (found.mode & 0o022) === 0
  // What mkdir was told is cut by a umask of 077, which goes with a home of mode 700.
  if (ours) await chmod(folder, 0o711)
  if (ours && canEnter(account, folder)) return folder
  throw new OrderwheelError(
    'config',
    `PostgreSQL cannot keep its files in ${folder}: it is not a folder of root's that others may enter but not write. Remove it, start as an ordinary user, or set DATABASE_URL.`,
  )
}

export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
