import { OrderwheelError } from '#base/errors.ts'

/**
 * What `use` answers. Throws `config` with a sentence when a file or folder of the data cannot be made,
 * read or written; other errors pass.
 */
export async function explainFileErrors<T>(
  dataDirectory: string,
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use()
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === undefined) throw error
    throw new OrderwheelError(
      'config',
      `PostgreSQL's data cannot be kept in ${dataDirectory}: ${reason}. Set ORDERWHEEL_DATA_DIR to a folder that you own and may write to, or DATABASE_URL to a PostgreSQL 18 of your own.`,
      { cause: error },
    )
  }
}

function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return undefined
  // A program that cannot be run is another matter.
  if ('syscall' in error && String(error.syscall).startsWith('spawn')) return undefined
  const path = String(error.path)
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
      return `this user may not write ${path} (is it, or the folder it is in, somebody else's? "ls -ld" shows whose)`
    case 'EROFS':
      return `${path} is on a disk that is read-only`
    case 'ENOSPC':
    case 'EDQUOT':
      return `there is no space left for ${path}`
    case 'ENOTDIR':
    case 'EEXIST':
      return `a file is where a folder is needed, at ${path} or above it`
    case 'ENOENT':
      return `${path} points to nothing`
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return `${path} is no usable path (${error.code})`
    default:
      return undefined
  }
}
